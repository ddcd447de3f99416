"""Title, tags and description of an SVG file, from its RDF metadata (Dublin Core within a Creative Commons work)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from milvus_hash.errors import InputError

_CHUNK = 1 << 16
_MAX_ENTITY = 1000  # characters; Adobe Illustrator's are name spaces of 40 or so
_MAX_TEXT = 100_000  # characters of the metadata


@dataclass(frozen=True, slots=True)
class SvgMetadata:
    """What a picture says of itself; white space is normalised, and what is missing is empty; the licence is a URL."""

    title: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    creator: str = ""
    licence: str = ""


def read_svg_metadata(path: Path) -> SvgMetadata:
    """Read the file up to the end of its metadata; what follows may be broken.

    Nothing outside the file is ever loaded, and entities that could grow (nested or long ones) are refused.

    Raises:
        InputError: The file is missing, or no XML up to there.
    """
    reader = _Reader()
    try:
        with path.open("rb") as file:
            while not reader.done and (chunk := file.read(_CHUNK)):
                reader.feed(chunk)
            if not reader.done:
                reader.feed(b"", last=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (expat.ExpatError, InputError) as error:
        if not reader.done:  # expat goes on to the end of the chunk, where the drawing may be broken
            raise InputError(f"{path} is no SVG that can be read: {error}") from error
    return reader.metadata()


class _Reader:
    """Collects the text of every element of the first ``Work``, keyed by its path below it."""

    def __init__(self) -> None:
        self.done = False
        self._path: list[str] = []  # of the element that is open, from Work on
        self._texts: dict[str, list[str]] = {}
        self._licence = ""
        self._length = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._entity

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        self._parser.Parse(chunk, last)

    def metadata(self) -> SvgMetadata:
        def first(path: str) -> str:
            return next((text for text in self._texts.get(path, ()) if text), "")

        tags = tuple(tag for tag in self._texts.get("subject/Bag/li", ()) if tag)
        return SvgMetadata(first("title"), tags, first("description"), first("creator/Agent/title"), self._licence)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if self.done or (not self._path and name != "Work"):
            return
        self._path.append(name)
        self._texts.setdefault(self._key(), []).append("")
        if self._key() == "license":
            self._licence = next((url for key, url in attributes.items() if key.rpartition(" ")[2] == "resource"), "")

    def _end(self, tag: str) -> None:
        if self.done or not self._path:
            return
        texts = self._texts[self._key()]
        texts[-1] = " ".join(texts[-1].split())
        self._path.pop()
        self.done = not self._path

    def _characters(self, text: str) -> None:
        if self._path and not self.done:
            self._length += len(text)
            if self._length > _MAX_TEXT:
                raise InputError(f"its metadata has more than {_MAX_TEXT:,} characters")
            self._texts[self._key()][-1] += text

    def _entity(self, name: str, parameter: bool, value: str | None, *_: object) -> None:
        if value is not None and ("&" in value or "%" in value or len(value) > _MAX_ENTITY):
            raise InputError(f"its entity {name!r} is nested or longer than {_MAX_ENTITY} characters")

    def _key(self) -> str:
        return "/".join(self._path[1:])

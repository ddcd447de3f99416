"""The data set "clipart": Debian's packages openclipart-png and openclipart-svg (the Open Clip Art Library, 0.18).

The pictures are the PNG tree's; title, tags and description come from the SVG of the same name. The rules:

- The id is the picture's path below ``png/`` without its suffix. Debian files some pictures under two folders and
  links one to the other; both are rows, as each has labels of its own folder.
- Titles that start with "gramastar" (generated star shapes) are left out.
- A label of :data:`LABELS` holds where it is a tag of the SVG, or part of the name of a folder below ``png/``
  ("sign" holds in ``signs_and_symbols``). Rows without a label are left out: 5,566 remain.
- The text is one string, ``TITLE. TAG, TAG. DESCRIPTION``: white space is one blank, a tag that repeats the title or
  an earlier tag goes, and so does a description that repeats the title.
- The split: ``query`` where the first byte of sha256(id) is below 26 (about a tenth), else ``database`` and ``train``.
- A picture whose SVG is missing or broken keeps its row, with a warning: no text, and the labels of its folders.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.record import Record
from milvus_hash_export.datasets.svg import SvgMetadata, read_svg_metadata

# fmt: off
LABELS = (
    "food", "people", "flag", "animal", "transport", "icon", "sign", "roadsign", "map", "music", "sports", "tool",
    "plant", "holiday", "building", "dessert", "fruit", "mammal", "bird", "insect", "office", "device", "card",
    "clothing",
)
# fmt: on

_QUERY_BELOW = 26  # of 256

_log = logging.getLogger(__name__)


def openclipart(root: Path) -> Iterator[Record]:
    """The rows of "clipart", ordered by id.

    Args:
        root: The folder that holds ``png/`` and ``svg/``; Debian's is ``/usr/share/openclipart``.

    Raises:
        InputError: When the first row is asked for: one of the two trees is missing.
    """
    for tree in ("png", "svg"):
        if not (root / tree).is_dir():
            raise InputError(
                f"{root} has no folder {tree}/; install Debian's packages openclipart-png and openclipart-svg"
            )
    pictures = {
        path.relative_to(root / "png").as_posix()[:-4]: path for path in (root / "png").rglob("*.png") if path.is_file()
    }
    for identifier in sorted(pictures):
        metadata = _metadata(root / "svg" / f"{identifier}.svg")
        labels = find_labels(identifier, metadata.tags)
        if labels and not metadata.title.startswith("gramastar"):
            text = join_text(metadata)
            yield Record(
                id=identifier,
                image=str(pictures[identifier]),
                texts=(text,) if text else (),
                labels=labels,
                splits=split(identifier),
                metadata={"title": metadata.title, "creator": metadata.creator, "licence": _licence(metadata)},
            )


def _metadata(path: Path) -> SvgMetadata:
    try:
        return read_svg_metadata(path)
    except InputError as error:
        _log.warning("%s; its picture keeps the labels of its folders and has no text", error)
        return SvgMetadata()


def _licence(metadata: SvgMetadata) -> str:
    """All but four of the 8,121 pictures name the public domain or nothing; those four are under the GPL."""
    return "public domain" if metadata.licence.lower().rstrip("/").endswith("/publicdomain") else metadata.licence


def find_labels(identifier: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of a picture, in the order of :data:`LABELS`.

    Example:
        >>> find_labels("signs_and_symbols/flags/norway", ("europe",))
        ('flag', 'sign')
    """
    folders = identifier.lower().split("/")[:-1]
    own = {tag.lower() for tag in tags}
    return tuple(label for label in LABELS if label in own or any(label in folder for folder in folders))


def join_text(metadata: SvgMetadata) -> str:
    """Title, tags and description as one string, without repetitions.

    Example:
        >>> join_text(SvgMetadata(title="Apple", tags=("apple", "fruit", "red"), description="Half an apple"))
        'Apple. fruit, red. Half an apple'
    """
    tags: dict[str, str] = {}
    for tag in metadata.tags:
        tags.setdefault(tag.lower(), tag)
    tags.pop(metadata.title.lower(), None)
    description = "" if metadata.description.lower() == metadata.title.lower() else metadata.description
    return ". ".join(part for part in (metadata.title, ", ".join(tags.values()), description) if part)


def split(identifier: str) -> tuple[str, ...]:
    """The split of a picture, by its id alone.

    Example:
        >>> split("food/fruit/apple"), split("food/fruit/pear")
        (('database', 'train'), ('database', 'train'))
    """
    return ("query",) if hashlib.sha256(identifier.encode()).digest()[0] < _QUERY_BELOW else ("database", "train")

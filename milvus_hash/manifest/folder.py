"""A folder of files as records, with or without metadata files in it."""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.inside import Inside
from milvus_hash.manifest.cells import check_id
from milvus_hash.manifest.reading import read_table
from milvus_hash.manifest.tables import SUFFIXES
from milvus_hash.media.modalities import FILES, MODALITIES, OF_SUFFIX
from milvus_hash.media.text import MAX_TEXT_BYTES, check_text
from milvus_hash.record import Record, Reject, path_of

_TABLES = frozenset(f"metadata{suffix}" for suffix in SUFFIXES)
# What systems and storage devices put beside people's files: thumbnails, waste, snapshots
# fmt: off
_DROPPINGS = frozenset({
    "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "~snapshot", "$recycle.bin", "__macosx",
    "lost+found", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini",
})
# fmt: on


def read_folder(path: Path | str, *, left_out: Counter[str] | None = None) -> Iterator[Record | Reject]:
    """The pictures, clips and texts below ``path``: each folder in the order of its names, files before folders.

    The id is the path below ``path`` with ``/`` between its parts. The suffix says what a file is (``OF_SUFFIX``,
    ``.txt``); an animated GIF or WebP is a picture here, and a clip only where a manifest says so.
    ``NAME.txt`` beside ``NAME.*`` is its text; alone it is an item of its own. Hidden files, other suffixes and what
    systems leave behind (``@eaDir``, ``__MACOSX``) are left out.

    A file ``metadata.jsonl``, ``.csv`` or ``.parquet`` in any of the folders is read as a manifest of what lies in that
    folder and below. A link to a file or metadata that lead out of ``path`` are rejects; links to folders are not
    followed, as what lies in ``path`` has a place of its own.

    Args:
        path: The folder.
        left_out: Counts what was left out, by suffix or in words; hidden files and what systems leave behind do not
            count.

    Raises:
        InputError: When the first record is asked for: there is no such folder, or its own metadata file cannot be
            used. At the end: it held nothing.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root} is no folder")
    found = False
    for row in _Folder(root, Counter() if left_out is None else left_out).rows():
        found = True
        yield row
    if not found:
        kinds = [MODALITIES[name] for name in FILES]
        nothing = ", ".join(f"no {kind.noun} ({' '.join(sorted(kind.suffixes))})" for kind in kinds)
        raise InputError(f"{root} holds {nothing} and no text (.txt)")


class _Folder:
    """One walk through a folder."""

    def __init__(self, root: Path, left_out: Counter[str]) -> None:
        self._root = root
        self._inside = Inside(root)
        self._left_out = left_out
        self._taken: set[str] = set()  # ids that rows of metadata files have

    def rows(self) -> Iterator[Record | Reject]:
        todo = [self._root]
        while todo:
            folder = todo.pop()
            try:
                listing = _listing(folder)
            except OSError as error:
                yield self._reject(folder, f"cannot be listed: {error.strerror or error}")
                continue
            if (yield from self._table(folder, [entry for entry in listing if entry.name in _TABLES])):
                continue
            yield from self._files(listing)
            todo.extend(Path(e.path) for e in reversed(listing) if e.is_dir(follow_symlinks=False))

    def _table(self, folder: Path, entries: Iterable[os.DirEntry[str]]) -> Generator[Record | Reject, None, bool]:
        """The rows of the folder's metadata file; returns whether it says what there is in the folder."""
        tables = []
        for entry in entries:
            if problem := self._problem(entry):
                yield self._reject(Path(entry.path), problem)
            else:
                tables.append(Path(entry.path))
        if not tables:
            return False
        prefix = "" if folder == self._root else f"{self._identifier(folder)}/"
        named: set[str] = set()
        try:
            if len(tables) > 1:
                names = " and ".join(table.name for table in tables)
                raise InputError(f"{folder} holds {names}; name the one to read, or take the others away")
            for row in read_table(tables[0], prefix=prefix, within=self._inside, taken=self._taken):
                if isinstance(row, Record):
                    self._taken.add(row.id)
                    named.update(map(os.path.abspath, filter(None, map(path_of, row.files.values()))))
                yield row
        except InputError as error:
            if folder == self._root:
                raise
            yield self._reject(tables[0], str(error))
            if not named:
                return False
        self._count_unnamed(folder, named)
        return True

    def _count_unnamed(self, root: Path, named: set[str]) -> None:
        """Count the files below ``root`` that its metadata file leaves out."""
        todo = [root]
        while todo:
            try:
                listing = _listing(todo.pop())
            except OSError:
                continue
            for entry in listing:
                if _suffix(entry) in OF_SUFFIX and _is(entry.is_file) and os.path.abspath(entry.path) not in named:  # noqa: PTH100
                    self._left_out["not in the metadata file"] += 1
            todo.extend(Path(e.path) for e in listing if e.is_dir(follow_symlinks=False))

    def _files(self, listing: list[os.DirEntry[str]]) -> Iterator[Record | Reject]:
        """The records of one folder, given its entries in order."""
        stems = {os.path.splitext(e.name)[0] for e in listing if _suffix(e) in OF_SUFFIX and _is(e.is_file)}  # noqa: PTH122
        texts = {e.name[:-4]: e for e in listing if _suffix(e) == ".txt"}
        for entry in listing:
            suffix = _suffix(entry)
            path = Path(entry.path)
            stem = entry.name[: len(entry.name) - len(suffix)]
            if self._passes_over(entry, suffix):
                continue
            if problem := self._problem(entry) or _bad_identifier(self._identifier(path)):
                yield self._reject(path, problem)
            elif suffix in OF_SUFFIX:
                caption = (
                    _read_text(Path(texts[stem].path)) if stem in texts and not self._problem(texts[stem]) else None
                )
                file: dict[str, Any] = {OF_SUFFIX[suffix]: str(path)}
                yield Record(self._identifier(path), texts=(caption,) if isinstance(caption, str) else (), **file)
            else:
                text = _read_text(path)
                if isinstance(text, InputError):
                    yield self._reject(path, str(text))
                elif stem not in stems:
                    yield Record(self._identifier(path), texts=(text,))

    def _passes_over(self, entry: os.DirEntry[str], suffix: str) -> bool:
        """Whether the entry is no item and no reject; what is left out is counted."""
        if entry.is_symlink() and _is(entry.is_dir):
            if not self._inside.has(entry.path):
                return False
            self._left_out["links to folders"] += 1
            return True
        if suffix in OF_SUFFIX or suffix == ".txt":
            return False
        if entry.name not in _TABLES and not _is(entry.is_dir):
            self._left_out[suffix or "without a suffix"] += 1
        return True

    def _problem(self, entry: os.DirEntry[str]) -> str:
        """Why the entry cannot be read as a file; empty if it can."""
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            return "the name is not UTF-8; rename it"
        if entry.is_symlink() and not self._inside.has(entry.path):
            return "is a link that leads out of the folder, which is not followed; a manifest may name what it leads to"
        if _is(entry.is_dir):
            return "is a directory"
        if _is(entry.is_file):
            return ""
        return "is not a regular file" if os.path.exists(entry.path) else "is a link to nothing"  # noqa: PTH110

    def _identifier(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _reject(self, path: Path, reason: str) -> Reject:
        return Reject(_printable(self._identifier(path)), _printable(str(path)), reason)


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name, without what nobody means to have there."""
    with os.scandir(folder) as entries:
        kept = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _DROPPINGS]
    return sorted(kept, key=lambda entry: entry.name)


def _is(kind: Callable[[], bool]) -> bool:
    """Whether an entry is of a kind; not if nobody can tell, as of a link to itself or into a closed folder."""
    try:
        return kind()
    except OSError:
        return False


def _suffix(entry: os.DirEntry[str]) -> str:
    return os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 (much faster than a Path for each name)


def _bad_identifier(identifier: str) -> str:
    try:
        check_id(identifier)
    except InputError as error:
        return str(error)
    return ""


def _read_text(path: Path) -> str | InputError:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_TEXT_BYTES + 4)  # 3 bytes for a mark at the start, 1 to see that there is more
        if len(raw) > MAX_TEXT_BYTES + 3:
            raise InputError(f"the text has more than {MAX_TEXT_BYTES:,} bytes; split or shorten it")
        return check_text(raw.removeprefix(codecs.BOM_UTF8))
    except OSError as error:
        return InputError(f"cannot be read: {error.strerror or error}")
    except InputError as error:
        return error


def _printable(name: str) -> str:
    r"""``name`` with bytes that are no UTF-8 as \xff, so that the rejects file can hold them."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")

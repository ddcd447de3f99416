"""A folder of files as records, without a manifest."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.manifest.cells import CLIPS, PICTURES, check_id
from milvus_hash.media.text import MAX_TEXT_BYTES, check_text
from milvus_hash.record import Record, Reject

_MEDIA = PICTURES | CLIPS


def read_folder(path: Path | str) -> Iterator[Record | Reject]:
    """The pictures, clips and texts below ``path``: each folder in the order of its names, files before folders.

    The id is the path below ``path`` with ``/`` between its parts. The suffix says what a file is (``PICTURES``,
    ``CLIPS``, ``.txt``); an animated GIF or WebP is a picture here, and a clip only where a manifest says so.
    ``NAME.txt`` beside ``NAME.*`` is its text; alone it is an item of its own. Hidden files and other suffixes are left
    out; links to folders are not followed.

    Raises:
        InputError: When the first record is asked for: there is no such folder. At the end: it held nothing.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root} is no folder")
    found = False
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(folder) as entries:
                listing = sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
        except OSError as error:
            yield _reject(root, folder, f"cannot be listed: {error.strerror or error}")
            found = True
            continue
        for row in _read_listing(root, listing):
            found = True
            yield row
        todo.extend(Path(e.path) for e in reversed(listing) if e.is_dir(follow_symlinks=False))
    if not found:
        pictures, clips = (" ".join(sorted(suffixes)) for suffixes in (PICTURES, CLIPS))
        raise InputError(f"{root} holds no picture ({pictures}), no clip ({clips}) and no text (.txt)")


def _read_listing(root: Path, listing: list[os.DirEntry[str]]) -> Iterator[Record | Reject]:
    """The records of one folder, given its entries in order."""
    stems = {os.path.splitext(e.name)[0] for e in listing if _suffix(e) in _MEDIA and e.is_file()}  # noqa: PTH122
    texts = {e.name[:-4]: e for e in listing if _suffix(e) == ".txt"}
    for entry in listing:
        suffix = _suffix(entry)
        path = Path(entry.path)
        stem = entry.name[: len(entry.name) - len(suffix)]
        is_link_to_folder = entry.is_symlink() and entry.is_dir()
        if suffix not in _MEDIA and suffix != ".txt" and not is_link_to_folder:
            continue
        if problem := _problem(entry) or _bad_identifier(_identifier(root, path)):
            yield _reject(root, path, problem)
        elif suffix in _MEDIA:
            caption = _read_text(Path(texts[stem].path)) if stem in texts and not _problem(texts[stem]) else None
            image, video = (None, str(path)) if suffix in CLIPS else (str(path), None)
            yield Record(_identifier(root, path), image, video, (caption,) if isinstance(caption, str) else ())
        else:
            text = _read_text(path)
            if isinstance(text, InputError):
                yield _reject(root, path, str(text))
            elif stem not in stems:
                yield Record(_identifier(root, path), texts=(text,))


def _suffix(entry: os.DirEntry[str]) -> str:
    return os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 (much faster than a Path for each name)


def _problem(entry: os.DirEntry[str]) -> str:
    """Why the entry cannot be read as a file; empty if it can."""
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return "the name is not UTF-8; rename it"
    if entry.is_dir():
        return "is a link to a folder, which is not followed" if entry.is_symlink() else "is a directory"
    if entry.is_file():
        return ""
    return "is a link to nothing" if entry.is_symlink() else "is not a regular file"


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


def _identifier(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _reject(root: Path, path: Path, reason: str) -> Reject:
    def shown(name: str) -> str:  # bytes that are no UTF-8 as \xff, so that the rejects file can hold them
        return os.fsencode(name).decode("utf-8", "backslashreplace")

    return Reject(shown(_identifier(root, path)), shown(str(path)), reason)

"""What one cell of a manifest may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from milvus_hash.errors import InputError

MAX_ID_BYTES = 512  # of the percent-encoded id, which becomes part of a primary key in Milvus


# By its suffix a file is a picture or a clip. An animated GIF, WebP or PNG is a picture, of which the first frame
# counts, unless the column ``video`` names it: most files of these suffixes do not move.
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
CLIPS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})


def is_empty(value: object) -> bool:
    """None, an empty string, or the NaN that a data frame writes for a missing cell."""
    return value is None or value == "" or (isinstance(value, float) and value != value)


def clean(column: str, value: str) -> str:
    """Return ``value`` if Milvus and the file system can hold it.

    Raises:
        InputError: It holds a NUL character, or comes from bytes that are not UTF-8.
    """
    if "\0" in value:
        raise InputError(f"{column} contains a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{column} is not UTF-8 (character {error.start})") from error
    return value


def check_id(value: object) -> str:
    """Return ``value`` if it can be an item's id: any string that is not blank, within ``MAX_ID_BYTES``.

    Raises:
        InputError: It cannot.
    """
    if not isinstance(value, str) or not value.strip():
        shown = "empty" if is_empty(value) or isinstance(value, str) else f"{value!r} ({type(value).__name__})"
        raise InputError(f"the id is {shown}; a string or an integer is needed")
    length = len(quote(clean("the id", value), safe=""))
    if length > MAX_ID_BYTES:
        raise InputError(f"the id is {length} bytes long when percent-encoded; at most {MAX_ID_BYTES} are allowed")
    return value


def to_path(column: str, value: object, base: Path) -> str | None:
    """A path below ``base`` or absolute; None for an empty cell.

    Raises:
        InputError: The cell holds something else.
    """
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise InputError(f"{column} is a {type(value).__name__}; a path is needed")
    return str(base / clean(column, value))


def to_strings(column: str, value: object, *, numbers: bool = False) -> tuple[str, ...]:
    """A cell that holds one string or a list of them; with ``numbers`` integers count as strings, as class indices do.

    Raises:
        InputError: The cell holds something else.
    """
    if is_empty(value):
        return ()
    entries: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    if numbers:
        entries = [str(e) if isinstance(e, int) and not isinstance(e, bool) else e for e in entries]
    for entry in entries:
        if not isinstance(entry, str):
            raise InputError(f"{column} holds a {type(entry).__name__}; a string or a list of strings is needed")
    return tuple(clean(column, entry) for entry in entries)

"""What one cell of a manifest may hold."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.inside import Inside
from milvus_hash.media.files import check_place
from milvus_hash.store.schema import MAX_ITEM_BYTES

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 80


def shown(value: object) -> str:
    """``value`` for a message: its ``repr``, cut where it is long or deep."""
    return _repr.repr(value)


def is_empty(value: object) -> bool:
    """None, an empty string, or the NaN that a data frame writes for a missing cell."""
    return value is None or (isinstance(value, str) and not value) or (isinstance(value, float) and value != value)


def clean(column: str, value: str) -> str:
    """Return ``value`` if Milvus and the file system can hold it.

    Raises:
        InputError: It holds a NUL character, or comes from bytes that are not UTF-8.
    """
    if "\0" in value:
        raise InputError(f"{column} contains a NUL character")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{column} is not UTF-8 (character {error.start}): save the file as UTF-8") from error
    return value


def number_as_text(value: object) -> object:
    """A whole number as the text of an integer, which is what data frames make floats of; all else as it is.

    Example:
        >>> number_as_text(7), number_as_text(7.0), number_as_text(7.5), number_as_text(True)
        ('7', '7', 7.5, True)
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def check_id(value: object) -> str:
    """Return ``value`` if it can be an item's id: any string that is not blank, of at most ``MAX_ITEM_BYTES``.

    Raises:
        InputError: It cannot.
    """
    if not isinstance(value, str) or not value.strip():
        what = "empty" if is_empty(value) or isinstance(value, str) else f"{shown(value)} ({type(value).__name__})"
        raise InputError(f"the id is {what}; a string or an integer is needed")
    length = len(clean("the id", value).encode())
    if length > MAX_ITEM_BYTES:
        raise InputError(f"the id is {length:,} bytes long; at most {MAX_ITEM_BYTES:,} are allowed")
    return value


def to_path(column: str, value: object, base: Path, within: Inside | None) -> str | None:
    """A path below ``base`` or absolute; None for an empty cell.

    Raises:
        InputError: The cell holds something else, an address, or a path that leads out of ``within``.
    """
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise InputError(f"{column} is a {type(value).__name__}; a path is needed")
    check_place(value, column)
    path = str(base / clean(column, value))
    if within is not None and not within.has(path):
        raise InputError(
            f"{column} {shown(value)} leads out of the folder {within.folder}; a folder's metadata file may name "
            "what is in the folder, and a manifest that is asked for by its own name any file"
        )
    return path


def to_strings(column: str, value: object, *, numbers: bool = False) -> tuple[str, ...]:
    """A cell that holds one string or a list of them.

    With ``numbers`` whole numbers count as strings, as class indices do, and empty entries of a list as none.

    Raises:
        InputError: The cell holds something else.
    """
    if is_empty(value):
        return ()
    entries: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    if numbers:
        entries = [number_as_text(entry) for entry in entries if not is_empty(entry)]
    for entry in entries:
        if not isinstance(entry, str):
            raise InputError(f"{column} holds a {type(entry).__name__}; a string or a list of strings is needed")
    return tuple(clean(column, entry) for entry in entries)

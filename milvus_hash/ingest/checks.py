"""Objects that are given as records: whether they are some, and what to call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.manifest.cells import clean
from milvus_hash.manifest.frame import is_frame
from milvus_hash.record import Record, path_of


def check_records(records: object) -> None:
    """Refuse what is no source of records but looks like one: it can be iterated over, and gives letters or names.

    Raises:
        InputError: The message names the next step.
    """
    if isinstance(records, (str, Path)):
        raise InputError(f"records are needed, not a path: read_source({str(records)!r}) reads a folder or a manifest")
    if is_frame(records):
        raise InputError("records are needed, not a data frame: read_source(frame) reads one")
    if isinstance(records, Record):
        raise InputError("a list of records is needed: write [record]")
    if hasattr(records, "__await__") or hasattr(records, "__aiter__"):
        raise InputError(
            f"records are needed, not a {type(records).__name__}: await it, and give the list that it gives"
        )
    if isinstance(records, Mapping) or not isinstance(records, Iterable):
        raise InputError(f"a list of records is needed, not a {type(records).__name__}: write [Record(id, ...), ...]")


def problem_of(record: object) -> str:
    """Why ``record`` cannot be taken apart into rows; empty if it can.

    Example:
        >>> problem_of({"id": "1", "text": "a red bus"})
        'a dict is no record; make one with Record(id, image=..., texts=[...])'
    """
    if not isinstance(record, Record):
        return f"a {type(record).__name__} is no record; make one with Record(id, image=..., texts=[...])"
    kinds: dict[str, tuple[type | tuple[type, ...], str]] = {
        "texts": ((list, tuple), "a list of strings"),
        "labels": ((list, tuple), "a list of strings"),
        "metadata": (Mapping, "a mapping of names to values"),
    }
    for name, (kind, needed) in kinds.items():
        value = getattr(record, name)
        if not isinstance(value, kind):
            return f"{name} is a {type(value).__name__}; {needed} is needed"
    if odd := next((text for text in record.texts if not isinstance(text, str)), None):
        return f"a text is a {type(odd).__name__}, not a string"
    try:
        for source in record.files.values():
            clean("the path", path_of(source))
    except InputError as error:
        return str(error)
    return ""


def name_of(record: object) -> tuple[str, str]:
    """Id and path of what is given as a record, as far as it has them."""
    if not isinstance(record, Record):
        return "", ""
    return str(record.id), next(filter(None, map(path_of, record.files.values())), "")

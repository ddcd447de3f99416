"""Objects that are given as records: whether they are some, and what to call them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.manifest.cells import clean
from milvus_hash.record import Record


def problem_of(record: object) -> str:
    """Why ``record`` cannot be taken apart into rows; empty if it can.

    Example:
        >>> problem_of({"id": "1", "text": "a red bus"})
        'a dict is no record; make one with Record(id, image=..., texts=[...])'
    """
    if not isinstance(record, Record):
        return f"a {type(record).__name__} is no record; make one with Record(id, image=..., texts=[...])"
    kinds: dict[str, tuple[type | tuple[type, ...], str]] = {
        "image": ((str, Path, bytes, type(None)), "a path, the bytes of a file or a Pillow image"),
        "video": ((str, Path, bytes, type(None)), "a path or the bytes of a file"),
        "texts": ((list, tuple), "a list of strings"),
        "labels": ((list, tuple), "a list of strings"),
        "metadata": (Mapping, "a mapping of names to values"),
    }
    for name, (kind, needed) in kinds.items():
        value = getattr(record, name)
        if not isinstance(value, kind) and not (name == "image" and _is_pillow(value)):
            return f"{name} is a {type(value).__name__}; {needed} is needed"
    if odd := next((text for text in record.texts if not isinstance(text, str)), None):
        return f"a text is a {type(odd).__name__}, not a string"
    try:
        for source in (record.image, record.video):
            clean("the path", path_of(source))
    except InputError as error:
        return str(error)
    return ""


def name_of(record: object) -> tuple[str, str]:
    """Id and path of what is given as a record, as far as it has them."""
    if not isinstance(record, Record):
        return "", ""
    return str(record.id), path_of(record.image) or path_of(record.video)


def path_of(source: object) -> str:
    """The path of a picture or clip; empty for one in memory."""
    return str(source) if isinstance(source, (str, Path)) else ""


def _is_pillow(value: object) -> bool:
    return any(base.__module__ == "PIL.Image" for base in type(value).__mro__)

"""What of a record's metadata goes to Milvus, and in which shape.

Declared fields get the type that the collection gives them; everything else goes to the dynamic field, which
holds JSON. What JSON lacks is written as its nearest: dates and times in ISO 8601, durations in seconds, decimals
as floats, sets and tuples as lists, NaN and infinities as null; UUIDs and paths as text. A null is left out.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import uuid
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from milvus_hash.errors import InputError
from milvus_hash.manifest.cells import clean
from milvus_hash.store import schema

RESERVED = schema.RESERVED | {"text", "path", "labels"}
"""Names that a collection uses itself; a column of such a name has to be renamed in the manifest."""

MAX_DYNAMIC_BYTES = 65_536  # of JSON a row: Milvus' own limit
_MAX_STRING_BYTES = 65_535  # of a declared VARCHAR


def check_names(names: Mapping[str, Any]) -> None:
    """Refuse columns whose names a collection uses itself.

    Raises:
        InputError: One or more do; all are named.

    Example:
        >>> check_names({"licence": "CC0"})
    """
    if taken := sorted(RESERVED.intersection(names)):
        raise InputError(
            f"metadata column(s) {', '.join(taken)}: the collection uses these names itself "
            f"({', '.join(sorted(RESERVED))} are reserved); rename them in the manifest"
        )


def row_fields(metadata: Mapping[str, Any], declared: Mapping[str, type]) -> dict[str, Any]:
    """The fields of one row: ``metadata`` as Milvus takes it, declared fields in their types.

    Raises:
        InputError: A reserved name, a declared field that is missing or does not fit, or a value without a JSON
            form.

    Example:
        >>> row_fields({"year": "2004", "added": datetime.date(2005, 2, 1)}, {"year": int})
        {'year': 2004, 'added': '2005-02-01'}
    """
    check_names(metadata)
    fields: dict[str, Any] = {}
    for name, kind in declared.items():
        fields[name] = _declared(name, metadata.get(name), kind)
    for name, value in metadata.items():
        if name in declared:
            continue
        try:
            plain = json_value(value)
        except InputError as error:
            raise InputError(f"column {name!r}: {error}") from error
        if plain is not None:
            fields[str(name)] = plain
    return fields


def check_size(fields: Mapping[str, Any], declared: Mapping[str, type]) -> None:
    """Refuse a row whose dynamic fields are larger than Milvus takes.

    Raises:
        InputError: More than ``MAX_DYNAMIC_BYTES`` bytes of JSON.
    """
    dynamic = {name: value for name, value in fields.items() if name not in declared}
    size = len(json.dumps(dynamic, ensure_ascii=False).encode())
    if size > MAX_DYNAMIC_BYTES:
        raise InputError(
            f"text and metadata take {size:,} bytes as JSON; Milvus holds {MAX_DYNAMIC_BYTES:,} a row: "
            "shorten them or leave columns out"
        )


def json_value(value: Any) -> Any:  # noqa: ANN401 (a cell of any type)
    """``value`` as JSON can hold it.

    Raises:
        InputError: It has no JSON form: bytes that are not UTF-8, an integer beyond 64 bits, an unknown type.

    Example:
        >>> json_value({"when": datetime.date(2005, 2, 1), "score": float("nan")})
        {'when': '2005-02-01', 'score': None}
    """
    if value is None or isinstance(value, bool):
        return value
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    raise InputError(f"a {type(value).__name__} has no JSON form; write it as a text or a number")


def _float(value: float | np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None


def _integer(value: int | np.integer[Any]) -> int:
    if not -(2**63) <= value < 2**63:
        raise InputError(f"{value} does not fit into 64 bits; write it as a text")
    return int(value)


def _text(value: str) -> str:
    return clean("the value", str(value))


def _bytes(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{len(value)} bytes that are not UTF-8 text; leave the column out or encode it") from error


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_text(str(key)): json_value(item) for key, item in value.items()}


_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (str, _text),
    ((int, np.integer), _integer),
    ((float, np.floating), _float),
    (datetime.timedelta, lambda value: value.total_seconds()),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),  # a datetime is a date
    (decimal.Decimal, lambda value: _float(float(value)) if value.is_finite() else None),
    ((uuid.UUID, PurePath), lambda value: _text(str(value))),
    (bytes, _bytes),
    (Mapping, _mapping),
    ((list, tuple), lambda value: [json_value(item) for item in value]),
    ((set, frozenset), lambda value: sorted((json_value(item) for item in value), key=str)),
    (np.datetime64, lambda value: None if np.isnat(value) else str(value)),
    (np.ndarray, lambda value: [json_value(item) for item in value] if value.ndim else json_value(value[()])),
    (np.generic, lambda value: json_value(value.item())),
)


def _declared(name: str, value: Any, kind: type) -> Any:  # noqa: ANN401 (a cell of any type)
    """``value`` in the type of a declared field; numbers written as text (CSV) are read."""
    if value is None:
        raise InputError(f"the declared field {name!r} ({kind.__name__}) is missing")
    plain = json_value(value)
    try:
        if kind is bool:
            return _boolean(plain)
        if kind is int and isinstance(plain, float) and not plain.is_integer():
            raise ValueError
        if isinstance(plain, (list, dict)) or (isinstance(plain, bool) and kind is not str):
            raise ValueError
        fit = kind(plain)
    except (TypeError, ValueError) as error:
        raise InputError(f"the declared field {name!r} is {plain!r}, which is not of type {kind.__name__}") from error
    if isinstance(fit, float) and not math.isfinite(fit):
        raise InputError(f"the declared field {name!r} is {fit}; Milvus needs a finite number")
    if isinstance(fit, str) and (size := len(fit.encode())) > _MAX_STRING_BYTES:
        raise InputError(f"the declared field {name!r} has {size:,} bytes; at most {_MAX_STRING_BYTES:,} are stored")
    return _integer(fit) if kind is int else fit


def _boolean(value: Any) -> bool:  # noqa: ANN401 (a cell of any type)
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError
    return known[str(value).lower()]

"""A metadata value of any type as the JSON value nearest to it.

Dates and times become ISO 8601, durations seconds, decimals floats, sets and tuples lists, NaN and infinities null,
UUIDs and paths text.
"""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from milvus_hash.errors import InputError
from milvus_hash.manifest.cells import clean

MAX_DEPTH = 64
"""Levels of lists and objects in a value; more is no metadata, and parsers and printers on the way have limits too."""

_MISSING = ("NoneType", "NAType", "NaTType")  # pandas' marks of a missing value have no other kinship


def is_missing(value: object) -> bool:
    """Whether it is None or what pandas writes for it, a NaN aside."""
    return type(value).__name__ in _MISSING


def json_value(value: Any) -> Any:  # noqa: ANN401 (a cell of any type)
    """``value`` as JSON can hold it.

    Raises:
        InputError: It has no JSON form: bytes, an integer beyond 64 bits, an unknown type, more than ``MAX_DEPTH``
            levels of lists and objects.

    Example:
        >>> json_value({"when": datetime.date(2005, 2, 1), "score": float("nan")})
        {'when': '2005-02-01', 'score': None}
    """
    return _plain(value, MAX_DEPTH)


def _plain(value: Any, room: int) -> Any:  # noqa: ANN401
    """``value`` as JSON, with ``room`` for so many levels."""
    if (convert := _USUAL.get(type(value))) is not None:
        return convert(value)
    if is_missing(value):
        return None
    for kind, convert in _SCALARS:
        if isinstance(value, kind):
            return convert(value)
    if not room:
        raise InputError(f"it is nested more than {MAX_DEPTH} deep")
    for kind, unfold in _CONTAINERS:
        if isinstance(value, kind):
            return unfold(value, room - 1)
    raise InputError(f"a {type(value).__name__} has no JSON form; write it as a text or a number")


def _float(value: float | np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None


def int64(value: int | np.integer[Any]) -> int:
    """``value`` as Milvus' widest integer.

    Raises:
        InputError: It does not fit.
    """
    if not -(2**63) <= value < 2**63:
        raise InputError(f"an integer of {int(value).bit_length()} bits does not fit into 64; write it as a text")
    return int(value)


def _text(value: str) -> str:
    return clean("the value", str(value))


def _mapping(value: Mapping[Any, Any], room: int) -> dict[str, Any]:
    return {_text(str(key)): _plain(item, room) for key, item in value.items()}


def _array(value: np.ndarray[Any, Any], room: int) -> Any:  # noqa: ANN401
    return [_plain(item, room) for item in value] if value.ndim else _plain(value[()], room)


_USUAL: dict[type, Callable[[Any], Any]] = {str: _text, int: int64, float: _float, bool: bool}

_SCALARS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (str, _text),
    ((int, np.integer), int64),
    ((float, np.floating), _float),
    (datetime.timedelta, lambda value: value.total_seconds()),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),  # a datetime is a date
    (decimal.Decimal, lambda value: _float(float(value)) if value.is_finite() else None),
    ((uuid.UUID, PurePath), lambda value: _text(str(value))),
    (np.datetime64, lambda value: None if np.isnat(value) else str(value)),
)

_CONTAINERS: tuple[tuple[type | tuple[type, ...], Callable[[Any, int], Any]], ...] = (
    (Mapping, _mapping),
    ((list, tuple), lambda value, room: [_plain(item, room) for item in value]),
    ((set, frozenset), lambda value, room: sorted((_plain(item, room) for item in value), key=str)),
    (np.ndarray, _array),
    (np.generic, lambda value, room: _plain(value.item(), room)),
)

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


def json_value(value: Any) -> Any:  # noqa: ANN401 (a cell of any type)
    """``value`` as JSON can hold it.

    Raises:
        InputError: It has no JSON form: bytes, an integer beyond 64 bits, an unknown type.

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


def int64(value: int | np.integer[Any]) -> int:
    """``value`` as Milvus' widest integer.

    Raises:
        InputError: It does not fit.
    """
    if not -(2**63) <= value < 2**63:
        raise InputError(f"{value} does not fit into 64 bits; write it as a text")
    return int(value)


def _text(value: str) -> str:
    return clean("the value", str(value))


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_text(str(key)): json_value(item) for key, item in value.items()}


_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (str, _text),
    ((int, np.integer), int64),
    ((float, np.floating), _float),
    (datetime.timedelta, lambda value: value.total_seconds()),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),  # a datetime is a date
    (decimal.Decimal, lambda value: _float(float(value)) if value.is_finite() else None),
    ((uuid.UUID, PurePath), lambda value: _text(str(value))),
    (Mapping, _mapping),
    ((list, tuple), lambda value: [json_value(item) for item in value]),
    ((set, frozenset), lambda value: sorted((json_value(item) for item in value), key=str)),
    (np.datetime64, lambda value: None if np.isnat(value) else str(value)),
    (np.ndarray, lambda value: [json_value(item) for item in value] if value.ndim else json_value(value[()])),
    (np.generic, lambda value: json_value(value.item())),
)

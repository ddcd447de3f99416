"""Metadata of a row in the shape that Milvus takes, whichever way the row came.

Declared fields get the type that the collection gives them; everything else goes to the dynamic field, which
holds JSON (:mod:`milvus_hash.manifest.json_value`). None, NaN and infinities are no values, and left out;
:mod:`milvus_hash.store.rows` says what then stands in a declared field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.manifest.cells import clean, shown
from milvus_hash.manifest.json_value import int64, json_value

_MAX_STRING_BYTES = 65_535  # of a declared VARCHAR


def stored_fields(metadata: Mapping[str, Any], declared: Mapping[str, type]) -> dict[str, Any]:
    """The fields of one row as Milvus takes them.

    Raises:
        InputError: A declared field that does not fit, or a name or value without a JSON form.

    Example:
        >>> stored_fields({"year": "2004", "tags": {"red"}, "price": float("nan")}, {"year": int})
        {'year': 2004, 'tags': ['red']}
    """
    fields: dict[str, Any] = {}
    for name, value in metadata.items():
        name = _name(str(name))
        try:
            plain = _text(value) if type(value) is str else json_value(value)
        except InputError as error:
            raise InputError(f"column {shown(name)}: {error}") from error
        if plain is not None:
            fields[name] = _declared(name, plain, declared[name]) if name in declared else plain
    return fields


@lru_cache(1024)
def _name(name: str) -> str:
    return clean("a column's name", name)


def _text(value: str) -> str:
    """A text as it is, NUL included, which Milvus can hold though no file name can."""
    if not value.isascii():
        clean("the value", value.replace("\0", ""))
    return value


def _declared(name: str, plain: Any, kind: type) -> Any:  # noqa: ANN401 (any JSON value)
    """``plain`` in the type of a declared field; numbers written as text (CSV) are read."""
    if type(plain) is kind and kind is not str:
        return plain
    try:
        if kind is bool:
            return _boolean(plain)
        if kind is int and isinstance(plain, float) and not plain.is_integer():
            raise ValueError
        if isinstance(plain, (list, dict)) or (isinstance(plain, bool) and kind is not str):
            raise ValueError
        fit = kind(plain)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the declared field {name!r} is {shown(plain)}, which is not of type {kind.__name__}: mend it, "
            "or leave it out"
        ) from error
    if isinstance(fit, float) and not math.isfinite(fit):
        raise InputError(f"the declared field {name!r} is {fit}; Milvus needs a finite number")
    if isinstance(fit, str) and (size := len(fit.encode())) > _MAX_STRING_BYTES:
        raise InputError(f"the declared field {name!r} has {size:,} bytes; at most {_MAX_STRING_BYTES:,} are stored")
    return int64(fit) if kind is int else fit


def _boolean(value: Any) -> bool:  # noqa: ANN401 (a cell of any type)
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError
    return known[str(value).lower()]

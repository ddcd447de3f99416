"""What of a record's metadata goes to Milvus, and in which shape.

Declared fields get the type that the collection gives them; everything else goes to the dynamic field, which
holds JSON (:mod:`milvus_hash.manifest.json_value`). A null is left out; :mod:`milvus_hash.store.rows` says what then
stands in a declared field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.manifest.cells import clean, shown
from milvus_hash.manifest.json_value import int64, json_value
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
        InputError: A reserved name, a declared field that does not fit, or a name or value without a JSON form.

    Example:
        >>> row_fields({"year": "2004", "tags": {"red"}}, {"year": int})
        {'year': 2004, 'tags': ['red']}
    """
    named = {clean("a column's name", str(name)): value for name, value in metadata.items()}
    check_names(named)
    fields: dict[str, Any] = {}
    for name, value in named.items():
        try:
            plain = json_value(value)
        except InputError as error:
            raise InputError(f"column {shown(name)}: {error}") from error
        if plain is not None:
            fields[name] = _declared(name, plain, declared[name]) if name in declared else plain
    return fields


def check_size(fields: Mapping[str, Any], declared: Mapping[str, type]) -> None:
    """Refuse a row whose dynamic fields are larger than Milvus takes.

    Raises:
        InputError: More than ``MAX_DYNAMIC_BYTES`` bytes of JSON.
    """
    dynamic = {name: value for name, value in fields.items() if name not in declared}
    size = len(json.dumps(dynamic, ensure_ascii=False, separators=(",", ":")).encode())  # as pymilvus writes it
    if size > MAX_DYNAMIC_BYTES:
        raise InputError(
            f"text and metadata take {size:,} bytes as JSON; Milvus holds {MAX_DYNAMIC_BYTES:,} a row: "
            "shorten them or leave columns out"
        )


def _declared(name: str, plain: Any, kind: type) -> Any:  # noqa: ANN401 (any JSON value)
    """``plain`` in the type of a declared field; numbers written as text (CSV) are read."""
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
            f"the declared field {name!r} is {shown(plain)}, which is not of type {kind.__name__}"
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

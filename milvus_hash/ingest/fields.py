"""What of a record's metadata goes to Milvus: its names and its size; :mod:`milvus_hash.store.metadata` shapes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.manifest.cells import clean, shown
from milvus_hash.store import schema
from milvus_hash.store.metadata import stored_fields

RESERVED = schema.RESERVED | {"text", "path", "labels"}
"""Names that a collection uses itself; a column of such a name has to be renamed in the manifest."""

MAX_DYNAMIC_BYTES = 65_536  # of JSON a row: Milvus' own limit


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
    check_names(metadata)
    for name, value in metadata.items():
        if isinstance(value, str):
            clean(f"column {shown(name)}: the value", value)
    return stored_fields(metadata, declared)


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

"""Rows with other metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from milvus_hash.arguments import check_mapping, listed
from milvus_hash.errors import InputError
from milvus_hash.store.rows import CodeRow
from milvus_hash.store.schema import RESERVED

_ITEMS_AT_ONCE = 1000


def updated(
    get: Callable[..., list[CodeRow]], items: Sequence[str], fields: Mapping[str, Any], modality: str | None
) -> Iterator[CodeRow]:
    """The rows of ``items`` as ``get`` finds them, with ``fields`` in place of what they have under these names.

    Raises:
        InputError: The items are no list, the fields no mapping, or a name is one of the collection's own.
    """
    ids = listed("items", items, "ids")
    check_mapping("fields", fields, '{"year": 2004}')
    if taken := RESERVED.intersection(fields):
        raise InputError(f"the collection uses the field name(s) {', '.join(sorted(taken))} itself")
    return _updated(get, ids, fields, modality)


def _updated(
    get: Callable[..., list[CodeRow]], items: list[str], fields: Mapping[str, Any], modality: str | None
) -> Iterator[CodeRow]:
    for start in range(0, len(items), _ITEMS_AT_ONCE):
        for row in get(items[start : start + _ITEMS_AT_ONCE], modality=modality):
            merged = {**row.fields, **fields}
            yield replace(row, fields={name: value for name, value in merged.items() if value is not None})

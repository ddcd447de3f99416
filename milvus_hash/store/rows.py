"""One row: as the caller knows it, and as pymilvus takes and gives it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.arguments import check_mapping, plain_methods
from milvus_hash.errors import InputError
from milvus_hash.names import ModalityName
from milvus_hash.store.metadata import stored_fields
from milvus_hash.store.schema import RESERVED, primary_key, split_key

ABSENT: Mapping[type, Any] = {str: "", int: -(2**63), float: math.nan, bool: False}
"""What stands in a declared field of a row that has no value for it, by the field's type.

Milvus has nulls from 2.5 on, Milvus Lite has none. No comparison holds for a NaN; of the others filters must know. Rows
that are read do not have the field, but for ``bool``, where both values mean something.
"""


@plain_methods
@dataclass(frozen=True, slots=True)
class CodeRow:
    """One row of a collection: a code and what it belongs to.

    Attributes:
        item: The item's id, any text of 1 to 4096 bytes.
        modality: ``image``, ``text``, ``video`` or ``vector``.
        ordinal: Position among the item's rows of this modality (the second of three texts is 1).
        code: Packed bits, ``bits // 8`` bytes or uint8 ``(bits // 8,)``.
        fields: Metadata, stored beside the code, in the shape of :mod:`milvus_hash.store.metadata`. A declared field
            that is not there, None or NaN is ``ABSENT`` in Milvus.
    """

    item: str
    modality: ModalityName
    ordinal: int
    code: bytes | NDArray[np.uint8]
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Whether all is equal; codes by their bytes, whatever holds them."""
        if not isinstance(other, CodeRow):
            return NotImplemented
        mine, its = ((row.item, row.modality, row.ordinal, bytes(row.code), row.fields) for row in (self, other))
        return mine == its


def check_rows(rows: Iterable[CodeRow | None]) -> Iterable[CodeRow | None]:
    """Refuse what holds no rows.

    Raises:
        InputError: The message names the next step.
    """
    if isinstance(rows, CodeRow) or not isinstance(rows, Iterable):
        raise InputError(f"a list of rows is needed, not a {type(rows).__name__}: write [CodeRow(item, ...), ...]")
    return rows


def to_entity(row: CodeRow, width: int, declared: Mapping[str, type]) -> dict[str, Any]:
    """The row as pymilvus takes it.

    Args:
        row: A row.
        width: Bytes of a code.
        declared: The declared fields of the collection.

    Raises:
        InputError: The code, the item, the modality, the ordinal or a field cannot be used, or it is no row.
    """
    if not isinstance(row, CodeRow):
        raise InputError(
            f"a {type(row).__name__} is no row; make one with CodeRow(item, modality, ordinal, code, fields), or give "
            "records to add()"
        )
    code = row.code
    if isinstance(code, np.ndarray) and code.dtype == np.uint8 and code.ndim == 1:
        code = code.tobytes()
    if not isinstance(code, bytes):
        what = f"{code.dtype} {code.shape}" if isinstance(code, np.ndarray) else type(code).__name__
        raise InputError(f"item {row.item!r}: the code is {what}; bytes or packed uint8 ({width},) is needed")
    if len(code) != width:
        raise InputError(f"item {row.item!r}: the code has {len(code) * 8} bits, the collection {width * 8}")
    if type(row.ordinal) is not int or row.ordinal < 0:
        raise InputError(f"item {row.item!r}: ordinal {row.ordinal!r}; an integer from 0 on is needed")
    check_mapping(f"item {row.item!r}: fields", row.fields, '{"year": 2004}')
    if not RESERVED.isdisjoint(row.fields):
        taken = ", ".join(sorted(RESERVED.intersection(row.fields)))
        raise InputError(f"item {row.item!r}: the collection uses the field name(s) {taken} itself; rename them")
    try:
        fields = stored_fields(row.fields, declared)
    except InputError as error:
        raise InputError(f"item {row.item!r}: {error}") from error
    return {
        "pk": primary_key(row.item, row.modality, row.ordinal),
        "item": row.item,
        "modality": row.modality,
        "ordinal": row.ordinal,
        "code": code,
        **fields,
        **{name: ABSENT[kind] for name, kind in declared.items() if name not in fields},
    }


def from_entity(entity: Mapping[str, Any], declared: Mapping[str, type]) -> CodeRow:
    """The row that a Milvus ``query`` gave; its code comes as bytes in a list of one."""
    item, modality, ordinal = split_key(entity["pk"])
    code = entity["code"][0] if isinstance(entity["code"], list) else entity["code"]
    fields = {name: value for name, value in entity.items() if name not in RESERVED}
    leave_out_absent(fields, declared)
    return CodeRow(item, modality, ordinal, np.frombuffer(code, dtype=np.uint8), fields)


def leave_out_absent(fields: dict[str, Any], declared: Mapping[str, type]) -> None:
    """Take out of ``fields`` the declared ones for which the row has no value."""
    for name, kind in declared.items():
        value = fields.get(name)
        if kind is not bool and (value == ABSENT[kind] or value != value):  # a NaN is not even equal to itself
            del fields[name]

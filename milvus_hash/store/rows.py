"""One row: as the caller knows it, and as pymilvus takes and gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError
from milvus_hash.store.schema import RESERVED, primary_key, split_key


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One row of a collection: a code and what it belongs to.

    Attributes:
        item: The item's id, any text of 1 to 4096 bytes.
        modality: ``image``, ``text``, ``video`` or ``vector``.
        ordinal: Position among the item's rows of this modality (the second of three texts is 1).
        code: Packed bits, ``bits // 8`` bytes or uint8 ``(bits // 8,)``.
        fields: Metadata, stored beside the code; declared fields must all be there.
    """

    item: str
    modality: str
    ordinal: int
    code: bytes | NDArray[np.uint8]
    fields: Mapping[str, Any] = field(default_factory=dict)


def to_entity(row: CodeRow, width: int) -> dict[str, Any]:
    """The row as pymilvus takes it.

    Args:
        row: A row.
        width: Bytes of a code.

    Raises:
        InputError: The code, the item, the modality, the ordinal or a field's name cannot be used.
    """
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
    if not RESERVED.isdisjoint(row.fields):
        taken = ", ".join(sorted(RESERVED.intersection(row.fields)))
        raise InputError(f"item {row.item!r}: the collection uses the field name(s) {taken} itself; rename them")
    return {
        "pk": primary_key(row.item, row.modality, row.ordinal),
        "item": row.item,
        "modality": row.modality,
        "ordinal": row.ordinal,
        "code": code,
        **row.fields,
    }


def from_entity(entity: Mapping[str, Any]) -> CodeRow:
    """The row that a Milvus ``query`` gave; its code comes as bytes in a list of one."""
    item, modality, ordinal = split_key(entity["pk"])
    code = entity["code"][0] if isinstance(entity["code"], list) else entity["code"]
    fields = {name: value for name, value in entity.items() if name not in RESERVED}
    return CodeRow(item, modality, ordinal, np.frombuffer(code, dtype=np.uint8), fields)

"""What a search gives: the hits, in a settled order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.query.target import Row
from milvus_hash.store.schema import RESERVED, split_key


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a search.

    Attributes:
        item: The item's id.
        modality: Of the row that was found.
        ordinal: Its position among the item's rows of this modality.
        distance: Hamming distance to the query, 0 to bits.
        score: ``1 - 2 * distance / bits``: the cosine of the two codes read as -1/+1, in [-1, 1].
        fields: Metadata of the row, with ``text`` or ``path`` where the ingest stored them.
    """

    item: str
    modality: str
    ordinal: int
    distance: int
    score: float
    fields: dict[str, Any]


def output_names(output_fields: Sequence[str] | None, declared: Iterable[str]) -> list[str]:
    """The fields to ask Milvus for; every metadata field, declared or dynamic, for None.

    Raises:
        InputError: The code is asked for; Milvus Lite fails on that, and ``get`` gives codes.
    """
    if output_fields is None:
        return [*declared, "$meta"]
    if taken := sorted({"code", "*"}.intersection(output_fields)):
        raise InputError(f"output_fields: a search cannot return {', '.join(taken)}; get(items) returns codes")
    return list(output_fields)


def to_hits(rows: Iterable[Row], bits: int) -> list[Hit]:
    """The rows found for one query, ordered by (distance, item, ordinal); Milvus promises no order of ties."""
    hits = []
    for row in rows:
        item, modality, ordinal = split_key(str(row.pk))
        fields = {name: value for name, value in row.fields.items() if name not in RESERVED}
        hits.append(Hit(item, modality, ordinal, row.distance, 1 - 2 * row.distance / bits, fields))
    return sorted(hits, key=lambda hit: (hit.distance, hit.item, hit.ordinal))

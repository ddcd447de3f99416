"""A collection as reads, writes and the index see it: its name, its keys, its partitions and its index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CODE = "code"
"""The field of the codes, in every collection of this package."""

Key = str | int
"""A primary key: VARCHAR or INT64."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where codes are looked for.

    Attributes:
        name: Of the collection in Milvus.
        bits: Code length.
        index: ``BIN_FLAT``, ``BIN_IVF_FLAT``, ``HNSW`` or ``AUTOINDEX``.
        pk: Name of the primary key.
        partitions: The modalities whose rows are in a partition of that name.
        lite: Whether it lives in Milvus Lite 2, whose searches cannot return codes.
        params: Search parameters of the index (``nprobe``, ``ef``) unless a search brings its own.
        exact_params: Search parameters with which the index is exact, or as near as it gets.
    """

    name: str
    bits: int
    index: str
    pk: str = "pk"
    partitions: tuple[str, ...] = ()
    lite: bool = False
    params: Mapping[str, int] = field(default_factory=dict)
    exact_params: Mapping[str, int] = field(default_factory=dict)

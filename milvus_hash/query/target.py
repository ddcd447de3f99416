"""Where a search looks: the collection in Milvus, its keys and its index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from milvus_hash.errors import InputError

if TYPE_CHECKING:
    from milvus_hash.store.catalog import Shape

CODE = "code"
"""The field of the codes, in every collection of this package."""

MAX_LIMIT = 16_384
"""Milvus' own bound on the rows of one search, offset included, and of one query."""

Key = str | int
"""A primary key: VARCHAR or INT64."""


@dataclass(frozen=True, slots=True)
class Target:
    """A collection as searches see it.

    Attributes:
        name: Of the collection in Milvus.
        bits: Code length.
        index: ``BIN_FLAT``, ``BIN_IVF_FLAT``, ``HNSW`` or ``AUTOINDEX``.
        pk: Name of the primary key.
        partitioned: Whether the rows of each modality are in a partition of its name.
        lite: Whether it lives in Milvus Lite, whose searches cannot return codes.
        params: Search parameters of the index (``nprobe``, ``ef``) unless a search brings its own.
        exact_params: Search parameters with which the index is exact, or as near as it gets.
    """

    name: str
    bits: int
    index: str
    pk: str = "pk"
    partitioned: bool = False
    lite: bool = False
    params: Mapping[str, int] = field(default_factory=dict)
    exact_params: Mapping[str, int] = field(default_factory=dict)


def target_of(shape: Shape, *, lite: bool) -> Target:
    """A collection of this package as searches see it."""
    made_by, index = shape.made_by, shape.index
    return Target(
        shape.name,
        made_by.bits,
        index.kind,
        partitioned=made_by.partitioned,
        lite=lite,
        params=index.search,
        exact_params=index.exact,
    )


class Row(NamedTuple):
    """A row that a search found.

    Attributes:
        pk: Its primary key.
        distance: Hamming distance to the query.
        fields: The output fields that were asked for.
    """

    pk: Key
    distance: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows a search is about, and what it returns of each.

    Attributes:
        filter: The user's Milvus expression; empty for all rows.
        modality: Of the rows; None for all, and for collections without modalities.
        where: A condition of this package beside both, such as a range of primary keys.
        filter_params: Values for the ``{name}`` templates of the filter, on servers that know them (2.5 and later).
        output_fields: Names of fields to return.
        params: Search parameters of the index for this search alone.
    """

    filter: str = ""
    modality: str | None = None
    where: str = ""
    filter_params: Mapping[str, Any] | None = None
    output_fields: tuple[str, ...] = ()
    params: Mapping[str, int] | None = None


def to_rows(found: Iterable[Any]) -> list[Row]:
    """What pymilvus found for one query, in its order; a distance comes as a float that may be -0.0."""
    return [Row(row.id, round(row["distance"]), row["entity"]) for row in found]


def check_limit(limit: int, offset: int = 0) -> None:
    """Refuse a ``limit`` outside 1 to 16384, or one that an ``offset`` pushes beyond.

    Raises:
        InputError: It is outside, or no integer.
    """
    for name, value, least in (("limit", limit, 1), ("offset", offset, 0)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= value <= MAX_LIMIT:
            raise InputError(f"{name}={value!r}: an integer from {least} to {MAX_LIMIT} is needed")
    if limit + offset > MAX_LIMIT:
        raise InputError(f"limit={limit} and offset={offset}: together they may reach {MAX_LIMIT}")

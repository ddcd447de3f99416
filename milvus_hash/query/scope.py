"""Which rows a search is about, how many, and the rows that it finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from milvus_hash.errors import InputError
from milvus_hash.store.target import Key

MAX_LIMIT = 16_384
"""Milvus' own bound on the rows of one search, offset included, and of one query."""


class Row(NamedTuple):
    """A row that a search found.

    Attributes:
        pk: Its primary key.
        distance: Hamming distance to the query.
        fields: The output fields that were asked for.
    """

    pk: Key
    distance: int
    fields: dict[str, Any]


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
    """What pymilvus found for one query, in its order; a distance comes as a float that may be -0.0.

    A row of pymilvus looks names up in Python, which a plain dictionary does in half the time.
    """
    return [Row(row.id, round(plain["distance"]), plain["entity"]) for row in found for plain in (dict(row),)]


def check_limit(limit: int, offset: int = 0, *, called: str = "limit") -> None:
    """Refuse a ``limit`` outside 1 to 16384, or one that an ``offset`` pushes beyond.

    Raises:
        InputError: It is outside, or no integer.
    """
    for name, value, least in ((called, limit, 1), ("offset", offset, 0)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= value <= MAX_LIMIT:
            raise InputError(f"{name}={value!r}: an integer from {least} to {MAX_LIMIT} is needed")
    if limit + offset > MAX_LIMIT:
        raise InputError(f"limit={limit} and offset={offset}: together they may reach {MAX_LIMIT}")

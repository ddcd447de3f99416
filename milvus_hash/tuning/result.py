"""What tuning found."""

from __future__ import annotations

from dataclasses import dataclass

from milvus_hash.store.index import Index


@dataclass(frozen=True, slots=True)
class Point:
    """One way to search, measured on the held-out queries.

    Attributes:
        index: The index, and how it was searched.
        recall: Share of the exact answer that was found; a row at the last distance counts whichever of the tied
            rows it is.
        milliseconds: Median time of a search with one query.
    """

    index: Index
    recall: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """The choice for a collection, and what it was made of.

    Attributes:
        collection: Its name.
        into: The modality that was searched; None for a collection without modalities.
        asked: The recall that was wanted.
        limit: Rows per search.
        queries: How many were held out, that is, measured but not fitted with.
        chosen: The choice.
        exact: The search that looks at every row.
        points: The curve: all ways that were measured, by index and effort.
        remark: Why the choice is what it is.
    """

    collection: str
    into: str | None
    asked: float
    limit: int
    queries: int
    chosen: Point
    exact: Point
    points: tuple[Point, ...]
    remark: str

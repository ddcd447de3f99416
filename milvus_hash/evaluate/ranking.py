"""Rankings as counts per level of distance, in bounded memory.

A Hamming distance has only ``bits + 1`` values, so a ranking is mostly ties. What every figure of
:mod:`milvus_hash.evaluate.metrics` needs of it are two counts a query and level: items, and relevant items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import Codes, hamming

Counts: TypeAlias = NDArray[np.int64]
Relevance: TypeAlias = Callable[[slice, slice], NDArray[np.bool_] | NDArray[np.int8]]
"""Which items are relevant to which queries: slices of both -> ``(queries, items)``, bool, or int8 where -1 stands for
an item that is no candidate, such as the query itself."""

_BLOCK = 4 << 20  # pairs of a query and an item at a time: about 100 MB of temporary memory


@dataclass(frozen=True, slots=True)
class Ranking:
    """The rankings of ``q`` queries as counts per level, nearest level first.

    Attributes:
        items: int64 ``(q, levels)``, how many items are at this level.
        relevant: int64 ``(q, levels)``, how many of them are relevant.
    """

    items: Counts
    relevant: Counts

    @property
    def has_relevant(self) -> NDArray[np.bool_]:
        """Bool ``(q,)``: whether any item is relevant to the query."""
        return np.asarray(self.relevant.any(axis=1))


def share_label(queries: NDArray[np.bool_], items: NDArray[np.bool_]) -> Relevance:
    """Relevant is what shares a label; labels are multi-hot ``(n, labels)``."""
    left, right = queries.astype(np.float32), items

    def relevance(rows: slice, columns: slice) -> NDArray[np.bool_]:
        return np.asarray(left[rows] @ right[columns].T.astype(np.float32) > 0)

    return relevance


def same_item(queries: NDArray[np.integer], items: NDArray[np.integer]) -> Relevance:
    """Relevant is what belongs to the same item; items are numbered ``(n,)``."""

    def relevance(rows: slice, columns: slice) -> NDArray[np.bool_]:
        return np.asarray(queries[rows, None] == items[None, columns])

    return relevance


def rank_codes(queries: Codes, items: Codes, relevance: Relevance) -> Ranking:
    """Rank packed codes ``(n, bits // 8)`` for each of the queries ``(q, bits // 8)``; level = Hamming distance.

    Memory is bounded by blocks, whatever ``q`` and ``n`` are.

    Raises:
        InputError: The two lengths differ.

    Example:
        >>> codes = np.array([[0], [1], [3]], dtype=np.uint8)
        >>> ranking = rank_codes(codes[:1], codes, same_item(np.array([2]), np.array([1, 2, 3])))
        >>> ranking.items.tolist(), ranking.relevant.tolist()
        ([[1, 1, 1, 0, 0, 0, 0, 0, 0]], [[0, 1, 0, 0, 0, 0, 0, 0, 0]])
    """
    levels = queries.shape[1] * 8 + 1
    counts = np.zeros((2, len(queries), levels), dtype=np.int64)
    width = max(1, min(len(items), _BLOCK))
    height = max(1, _BLOCK // width)
    for top in range(0, len(queries), height):
        rows = slice(top, min(top + height, len(queries)))
        for start in range(0, len(items), width):
            columns = slice(start, min(start + width, len(items)))
            distances = hamming(queries[rows], items[columns])
            for total, part in zip(counts, _count(distances, relevance(rows, columns), levels), strict=True):
                total[rows] += part
    return Ranking(*counts)


def rank_scores(
    score: Callable[[slice], NDArray[np.floating]], queries: int, items: int, relevance: Relevance
) -> Iterator[Ranking]:
    """Rank by real scores, larger is nearer, equal ones tied: one ranking after the other for blocks of queries.

    A score is a level of its own, so that the counts of all queries together would not fit in memory.

    Args:
        score: The scores float ``(rows, items)`` of a slice of the queries.
        queries: How many queries there are.
        items: How many items.
        relevance: Which items are relevant to which queries.

    Example:
        >>> scores = np.array([[0.9, 0.1, 0.5]])
        >>> (ranking,) = rank_scores(lambda rows: scores[rows], 1, 3, same_item(np.array([7]), np.array([7, 8, 9])))
        >>> ranking.relevant.tolist()
        [[1, 0, 0]]
    """
    height = max(1, _BLOCK // max(1, items))
    for top in range(0, queries, height):
        rows = slice(top, min(top + height, queries))
        levels = np.array([np.unique(-line, return_inverse=True)[1] for line in score(rows)])
        yield Ranking(*_count(levels, relevance(rows, slice(0, items)), items))


def _count(
    levels: NDArray[np.integer], relevant: NDArray[np.bool_] | NDArray[np.int8], width: int
) -> tuple[Counts, Counts]:
    """Items and relevant items ``(q, width)`` per query and level."""
    q = len(levels)
    cells = levels.astype(np.int64) + np.arange(q)[:, None] * width
    candidates = cells.ravel() if relevant.dtype == np.bool_ else cells[relevant >= 0]
    items = np.bincount(candidates, minlength=q * width).reshape(q, width)
    return items, np.bincount(cells[relevant > 0], minlength=q * width).reshape(q, width)

"""Retrieval figures of Hamming rankings, exact under ties.

A Hamming distance has only ``bits + 1`` values, so a ranking is mostly ties, and their order alone moves average
precision by several points. Every figure here is the expectation over all orders of the tied items, each as likely as
any other (McSherry and Najork, "Computing Information Retrieval Performance Measures Efficiently in the Presence of
Tied Scores", ECIR 2008). It follows from two counts a query and distance: how many items, and how many relevant ones.

A query without any relevant item has no figure: NaN here, left out of every mean, and counted in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import Codes, hamming
from milvus_hash.errors import InputError

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]
Relevance: TypeAlias = Callable[[slice, slice], NDArray[np.bool_]]
"""Which items are relevant to which queries: slices of both -> bool ``(queries, items)``."""

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
        >>> ranking.items.tolist(), average_precision(ranking).tolist()
        ([[1, 1, 1, 0, 0, 0, 0, 0, 0]], [0.5])
    """
    levels = queries.shape[1] * 8 + 1
    counts = np.zeros((2, len(queries), levels), dtype=np.int64)
    width = max(1, min(len(items), _BLOCK))
    height = max(1, _BLOCK // width)
    for top in range(0, len(queries), height):
        rows = slice(top, min(top + height, len(queries)))
        for start in range(0, len(items), width):
            columns = slice(start, start + width)
            distances = hamming(queries[rows], items[columns])
            for total, part in zip(counts, _count(distances, relevance(rows, columns), levels), strict=True):
                total[rows] += part
    return Ranking(*counts)


def rank_scores(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> Ranking:
    """Rank by real scores ``(q, n)``, larger is nearer, equal ones tied: the ceiling that codes are compared with."""
    ranks = np.empty(scores.shape, dtype=np.int64)
    for row, values in enumerate(scores):
        ranks[row] = np.unique(-values, return_inverse=True)[1]
    return Ranking(*_count(ranks, relevant, scores.shape[1]))


def _count(levels: NDArray[np.integer], relevant: NDArray[np.bool_], width: int) -> tuple[Counts, Counts]:
    """Items and relevant items ``(q, width)`` per query and level."""
    q = len(levels)
    cells = levels.astype(np.int64) + np.arange(q)[:, None] * width
    items = np.bincount(cells.ravel(), minlength=q * width).reshape(q, width)
    return items, np.bincount(cells[relevant], minlength=q * width).reshape(q, width)


def average_precision(ranking: Ranking) -> Floats:
    """Expected average precision ``(q,)`` over the whole ranking; the denominator is all relevant items.

    For a level with t items, r of them relevant, after N items with R relevant ones, the i-th place adds
    ``r/t * (R + 1 + (i-1) * (r-1)/(t-1)) / (N+i)`` (McSherry and Najork 2008, section 3.2); the sum over i is closed
    by harmonic numbers, so the cost does not depend on the number of items.
    """
    t, r = ranking.items, ranking.relevant
    before, relevant_before = _exclusive(t), _exclusive(r)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, t.sum(axis=1).max(initial=0) + 1))])
    places = harmonic[before + t] - harmonic[before]  # sum over i of 1 / (N+i)
    later = t - (before + 1) * places  # sum over i of (i-1) / (N+i)
    slope = (r - 1) / np.maximum(t - 1, 1)
    gain = r / np.maximum(t, 1) * ((relevant_before + 1) * places + slope * later)
    return _divide(gain.sum(axis=1), r.sum(axis=1))


def precision_at(ranking: Ranking, k: int) -> Floats:
    """Expected share of relevant items among the first ``k`` ``(q,)``; divided by k even where there are fewer."""
    return np.where(ranking.has_relevant, _found_at(ranking, k) / k, np.nan)


def recall_at(ranking: Ranking, k: int) -> Floats:
    """Expected share of all relevant items that is among the first ``k`` ``(q,)``: true recall."""
    return _divide(_found_at(ranking, k), ranking.relevant.sum(axis=1))


def hit_at(ranking: Ranking, k: int) -> Floats:
    """Probability that a relevant item is among the first ``k`` ``(q,)``: the "R@K" of image-text papers.

    With relevant items at an earlier level it is 1; else 1 - C(t-r, m) / C(t, m) for the m places that are left at
    the level with t items, r of them relevant.
    """
    m, t, r, found = _boundary(ranking, k)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, t.max(initial=0) + 1)))])
    rest = t - r
    miss = np.exp(
        log_factorial[rest] - log_factorial[np.maximum(rest - m, 0)] - log_factorial[t] + log_factorial[t - m]
    )
    hit = np.where(found > 0, 1.0, 1.0 - np.where(m > rest, 0.0, miss))
    return np.where(ranking.has_relevant, hit, np.nan)


def _found_at(ranking: Ranking, k: int) -> Floats:
    """Expected number of relevant items among the first ``k``."""
    m, t, r, found = _boundary(ranking, k)
    return np.asarray(found + m * r / np.maximum(t, 1), dtype=np.float64)


def _boundary(ranking: Ranking, k: int) -> tuple[Counts, Counts, Counts, Counts]:
    """The level of the ``k``-th place: places taken of it, its items, its relevant items, relevant items before it."""
    if k < 1:
        raise InputError(f"k is {k}; at least 1 is needed")
    after = ranking.items.cumsum(axis=1)
    level = np.minimum((after < k).sum(axis=1), ranking.items.shape[1] - 1)
    row = np.arange(len(level))
    t, r = ranking.items[row, level], ranking.relevant[row, level]
    taken = np.minimum(k - (after[row, level] - t), t)
    return taken, t, r, _exclusive(ranking.relevant)[row, level]


def precision_recall_by_radius(ranking: Ranking) -> tuple[Floats, Floats]:
    """Precision and recall ``(levels,)`` of everything within each Hamming radius, pooled over the queries.

    Pooled: relevant pairs found / pairs found, and / relevant pairs. NaN where no query finds anything.
    """
    kept = ranking.has_relevant
    items, relevant = (counts[kept].sum(axis=0).cumsum() for counts in (ranking.items, ranking.relevant))
    return _divide(relevant, items), _divide(relevant, np.broadcast_to(relevant[-1], relevant.shape))


def mean(values: Floats) -> float:
    """Mean over the queries that have a figure; NaN when none has."""
    good = values[~np.isnan(values)]
    return float(good.mean()) if len(good) else float("nan")


def mean_at(figure: Callable[[Ranking, int], Floats], ranking: Ranking, ks: Sequence[int]) -> dict[int, float]:
    """The mean of ``figure`` (:func:`precision_at`, :func:`recall_at`, :func:`hit_at`) at each of ``ks``."""
    return {k: mean(figure(ranking, k)) for k in ks}


def _exclusive(counts: Counts) -> Counts:
    """Sums over all earlier levels."""
    return counts.cumsum(axis=1) - counts


def _divide(part: NDArray[np.number], whole: Counts) -> Floats:
    """``part / whole``, NaN where ``whole`` is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))

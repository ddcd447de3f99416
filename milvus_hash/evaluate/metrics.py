"""Retrieval figures of Hamming rankings, exact under ties.

A Hamming distance has only ``bits + 1`` values, so a ranking is mostly ties, and their order alone moves average
precision by several points. Every figure here is the expectation over all orders of the tied items, each as likely as
any other (McSherry and Najork, "Computing Information Retrieval Performance Measures Efficiently in the Presence of
Tied Scores", ECIR 2008). It follows from two counts a query and distance: how many items, and how many relevant ones.

A query without any relevant item has no figure: NaN here, left out of every mean, and counted in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError
from milvus_hash.evaluate.ranking import Counts, Ranking

Floats: TypeAlias = NDArray[np.float64]


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


def all_hits(rankings: Iterable[Ranking], ks: Sequence[int]) -> Floats:
    """:func:`hit_at` at each of ``ks``, over rankings of blocks of the queries: ``(q, len(ks))``."""
    return np.concatenate([np.stack([hit_at(ranking, k) for k in ks], axis=1) for ranking in rankings])


def _exclusive(counts: Counts) -> Counts:
    """Sums over all earlier levels."""
    return counts.cumsum(axis=1) - counts


def _divide(part: NDArray[np.number], whole: Counts) -> Floats:
    """``part / whole``, NaN where ``whole`` is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))

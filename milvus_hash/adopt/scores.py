"""Scores of rows by their vectors and of candidates by their codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from milvus_hash.adopt.source import Vectors

SIFTED = 8
"""Codes that are looked at for each candidate whose vector is read: a code is a 48th of a vector or less."""
_ROUNDING = 1e-6  # of a score: equal codes may have sums that were rounded differently


def exact_scores(queries: Vectors, vectors: Vectors, metric: str) -> Vectors:
    """Scores float32 ``(q, n)`` of queries ``(q, width)`` against vectors ``(n, width)``, as Milvus' metric gives them.

    Example:
        >>> exact_scores(np.array([[3.0, 4.0]]), np.array([[3.0, 4.0], [-6.0, -8.0]]), "COSINE").round(3).tolist()
        [[1.0, -1.0]]
    """
    products: Vectors = queries @ vectors.T
    if metric == "IP":
        return products
    left, right = (np.square(side, dtype=np.float32).sum(axis=1) for side in (queries, vectors))
    if metric == "L2":
        return np.asarray(np.maximum(left[:, None] + right - 2 * products, 0))
    return np.asarray(products / np.maximum(np.sqrt(left[:, None] * right), np.finfo(np.float32).tiny))


def best_with_ties(scores: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """Places in ``scores (n,)`` of the ``count`` largest and of all that are as large as the last of them, in order.

    Example:
        >>> best_with_ties(np.array([0.5, 0.9, 0.1, 0.5, 0.7]), 3).tolist()
        [1, 4, 0, 3]
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) <= count:
        return order
    last = scores[order[count - 1]]
    return np.asarray(order[scores[order] >= last - _ROUNDING * abs(last)])

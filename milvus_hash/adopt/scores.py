"""Scores of rows by their vectors and of candidates by their codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.adopt.source import Vectors
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.graph import Encodings

SIFTED = 8
"""Codes that are looked at for each candidate whose vector is read: a code is a 48th of a vector or less."""
_ROUNDING = 1e-6  # of a score: equal codes may have sums that were rounded differently


def encode_queries(encoder: Encoder, vectors: Sequence[Any], bits: int) -> Encodings:
    """Codes, logits and, where the graph has them, ``weights`` of vectors that are asked for.

    Raises:
        InputError: The first vector that cannot be used.
    """
    names = ["weights"] if "weights" in encoder.vector_names("vector") else []
    codes, logits = [], []
    weights: list[Any] = []
    for row in encoder.stream("vector", enumerate(vectors), bits=bits, vectors=names):
        if row.code is None or row.logits is None:
            raise InputError(f"vector {row.key}: {row.error}") from row.error
        codes.append(row.code)
        logits.append(row.logits)
        weights += [row.vectors[name][:bits] for name in names]
    return Encodings(np.stack(codes), np.stack(logits), {"weights": np.stack(weights)} if weights else {})


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

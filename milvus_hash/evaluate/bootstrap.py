"""Confidence intervals: how far a mean would move with other queries."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Interval: TypeAlias = tuple[float, float]

RESAMPLES = 1_000
_SEED = 0
_BLOCK = 4 << 20  # numbers of draws at a time


def intervals(values: NDArray[np.float64], items: NDArray[np.integer]) -> list[Interval]:
    """95 % percentile bootstrap intervals of the means of the columns of ``values (q, figures)``.

    What is drawn with replacement are the items behind the queries, not the queries: five captions of one picture
    succeed or fail together, and are one piece of evidence. NaN stands for a query without a figure, as in
    :func:`milvus_hash.evaluate.metrics.mean`; the interval of a column without any figure is NaN.

    Args:
        values: A figure a query and column.
        items: The item of each query, ``(q,)``.
    """
    _, item = np.unique(items, return_inverse=True)
    count = int(item.max(initial=-1)) + 1
    sums, sizes = np.zeros((2, count, values.shape[1]))
    np.add.at(sums, item, np.nan_to_num(values))
    np.add.at(sizes, item, ~np.isnan(values))
    random = np.random.default_rng(_SEED)
    means = np.full((RESAMPLES, values.shape[1]), np.nan)
    height = max(1, _BLOCK // max(1, count))
    for start in range(0, RESAMPLES if count else 0, height):
        rows = min(height, RESAMPLES - start)
        cells = random.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        times = np.bincount(cells.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)
        drawn = times @ sizes
        np.divide(times @ sums, drawn, out=means[start : start + rows], where=drawn > 0)
    return [_percentiles(column[~np.isnan(column)]) for column in means.T]


def _percentiles(means: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(means, [2.5, 97.5]) if len(means) else (np.nan, np.nan)
    return float(low), float(high)

"""The ceiling: what the same network ranks with float vectors, and with rescored codes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from milvus_hash.evaluate.bootstrap import Interval, intervals
from milvus_hash.evaluate.directions import Direction, Rank, by_cosine, rescored
from milvus_hash.evaluate.metrics import all_hits, average_precision, mean


@dataclass(frozen=True, slots=True)
class Score:
    """How well one way of ranking does in one task.

    Attributes:
        by: What it is ranked by: ``code``, ``rescored``, ``logits``, ``embedding``, or the space of a baseline.
        task: For instance ``image->text``.
        bits: Stored bits, or numbers of a float vector.
        map: By labels; NaN without any.
        map_interval: Its interval.
        hit: Any-hit recall of the own partners, one to one, by k; empty where nothing has any.
        hit_interval: Its intervals.
    """

    by: str
    task: str
    bits: int
    map: float
    map_interval: Interval
    hit: Mapping[int, float]
    hit_interval: Mapping[int, Interval]


def score(by: str, direction: Direction, bits: int, rank: Rank, ks: Sequence[int]) -> Score:
    """Rank both by labels and one to one, block by block."""
    found = math.nan
    map_interval: Interval = (math.nan, math.nan)
    hit: dict[int, float] = {}
    hit_interval: dict[int, Interval] = {}
    if (search := direction.labels) is not None:
        blocks = rank(search.queries, search.items, search.relevance)
        ap = np.concatenate([average_precision(ranking)[:, None] for ranking in blocks])
        found = mean(ap)
        (map_interval,) = intervals(ap, search.queries.items)
    if (search := direction.pairs) is not None:
        hits = all_hits(rank(search.queries, search.items, search.relevance), ks)
        hit = {k: mean(column) for k, column in zip(ks, hits.T, strict=True)}
        hit_interval = dict(zip(ks, intervals(hits, search.queries.items), strict=True))
    return Score(by, direction.task, bits, found, map_interval, hit, hit_interval)


def float_scores(ways: Sequence[Direction], lengths: Sequence[int], ks: Sequence[int]) -> Iterator[Score]:
    """Codes rescored at each of the lengths, and every float vector that both sides of a task have as wide."""
    for way in ways:
        search = way.labels or way.pairs
        left, right = (search.queries.vectors, search.items.vectors) if search else ({}, {})
        if "logits" in left:
            yield from (score("rescored", way, bits, rescored(bits), ks) for bits in lengths)
        for name in ("logits", "embedding"):
            if name in left and left[name].shape[1] == right[name].shape[1]:
                yield score(name, way, left[name].shape[1], by_cosine(name), ks)

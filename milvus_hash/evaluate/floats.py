"""The ceiling: what the same network ranks with float vectors, and with rescored codes."""

from __future__ import annotations

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
        hit: Any-hit recall of the own partner, one to one, by k; empty within a modality.
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
    query = direction.query
    ap, hits = np.full((len(query.items), 1), np.nan), np.full((len(query.items), len(ks)), np.nan)
    if direction.by_label:
        blocks = rank(query, direction.database, direction.by_label)
        ap = np.concatenate([average_precision(ranking)[:, None] for ranking in blocks])
    if direction.by_pair:
        hits = all_hits(rank(query, direction.partners, direction.by_pair), ks)
    (map_interval,) = intervals(ap, query.items)
    return Score(
        by=by,
        task=direction.task,
        bits=bits,
        map=mean(ap),
        map_interval=map_interval,
        hit={k: mean(column) for k, column in zip(ks, hits.T, strict=True)} if direction.by_pair else {},
        hit_interval=dict(zip(ks, intervals(hits, query.items), strict=True)) if direction.by_pair else {},
    )


def float_scores(ways: Sequence[Direction], lengths: Sequence[int], ks: Sequence[int]) -> Iterator[Score]:
    """Codes rescored at each of the lengths, and every float vector that both sides of a task have as wide."""
    for way in ways:
        left, right = way.query.vectors, way.database.vectors
        if "logits" in left:
            yield from (score("rescored", way, bits, rescored(bits), ks) for bits in lengths)
        for name in ("logits", "embedding"):
            if name in left and left[name].shape[1] == right[name].shape[1]:
                yield score(name, way, left[name].shape[1], by_cosine(name), ks)

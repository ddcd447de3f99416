"""Figures of codes: retrieval by labels, one to one, and how the bits are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from milvus_hash.codes import prefix
from milvus_hash.evaluate.balance import bit_use
from milvus_hash.evaluate.bootstrap import Interval, intervals
from milvus_hash.evaluate.dataset import EncodedSet
from milvus_hash.evaluate.directions import Direction, by_code
from milvus_hash.evaluate.metrics import (
    all_hits,
    average_precision,
    hit_at,
    mean,
    mean_at,
    precision_at,
    precision_recall_by_radius,
    recall_at,
)
from milvus_hash.evaluate.pairs import Search


@dataclass(frozen=True, slots=True)
class Task:
    """Figures of one direction at one length, by the labels; ``CONVENTIONS`` says what each means."""

    task: str
    bits: int
    queries: int
    database: int
    queries_without_relevant: int
    map: float
    map_interval: Interval
    precision: Mapping[int, float]
    recall: Mapping[int, float]
    hit: Mapping[int, float]
    radius_precision: tuple[float, ...]
    radius_recall: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Figures of one direction at one length, where only a query's own partners count."""

    task: str
    bits: int
    queries: int
    candidates: int
    hit: Mapping[int, float]
    hit_interval: Mapping[int, Interval]


@dataclass(frozen=True, slots=True)
class Bits:
    """How the codes of one modality use their bits at one length: those of the database, else of the queries."""

    modality: str
    bits: int
    codes: int
    ones: tuple[float, ...]
    entropy: float
    correlation: float
    constant: int
    duplicates: float


def task_figures(ways: Sequence[Direction], bits: int, ks: Sequence[int]) -> list[Task]:
    """Figures by labels of the first ``bits`` bits, for every task that has labels."""
    return [_task(way.task, way.labels, bits, ks) for way in ways if way.labels]


def pair_figures(ways: Sequence[Direction], bits: int, ks: Sequence[int]) -> list[Pairs]:
    """Figures one to one of the first ``bits`` bits, for every task that has partners."""
    return [_pairs(way.task, way.pairs, bits, ks) for way in ways if way.pairs]


def _task(task: str, search: Search, bits: int, ks: Sequence[int]) -> Task:
    (ranking,) = by_code(bits)(search.queries, search.items, search.relevance)
    precision, recall = precision_recall_by_radius(ranking)
    ap = average_precision(ranking)
    (interval,) = intervals(ap[:, None], search.queries.items)
    return Task(
        task=task,
        bits=bits,
        queries=len(search.queries.codes),
        database=len(search.items.codes),
        queries_without_relevant=int((~ranking.has_relevant).sum()),
        map=mean(ap),
        map_interval=interval,
        precision=mean_at(precision_at, ranking, ks),
        recall=mean_at(recall_at, ranking, ks),
        hit=mean_at(hit_at, ranking, ks),
        radius_precision=tuple(precision.tolist()),
        radius_recall=tuple(recall.tolist()),
    )


def _pairs(task: str, search: Search, bits: int, ks: Sequence[int]) -> Pairs:
    (ranking,) = by_code(bits)(search.queries, search.items, search.relevance)
    hits = all_hits([ranking], ks)
    return Pairs(
        task=task,
        bits=bits,
        queries=int(ranking.has_relevant.sum()),
        candidates=len(search.items.codes),
        hit={k: mean(column) for k, column in zip(ks, hits.T, strict=True)},
        hit_interval=dict(zip(ks, intervals(hits, search.queries.items), strict=True)),
    )


def bit_figures(modality: str, encoded: EncodedSet, bits: int) -> Bits:
    """How the codes of one modality use their first ``bits`` bits."""
    use = bit_use(prefix(encoded.codes, bits))
    return Bits(
        modality=modality,
        bits=bits,
        codes=use.codes,
        ones=tuple(use.ones.tolist()),
        entropy=float(np.mean(use.entropy)),
        correlation=use.correlation,
        constant=use.constant,
        duplicates=use.duplicates,
    )

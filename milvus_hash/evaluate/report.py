"""The report of a bundle on a manifest: retrieval figures per task and length, with their conventions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from milvus_hash.codes import prefix
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.evaluate.balance import bit_use
from milvus_hash.evaluate.dataset import EncodedSet, EvaluationSet, encode_split, read_evaluation_set
from milvus_hash.evaluate.metrics import (
    average_precision,
    hit_at,
    mean,
    mean_at,
    precision_at,
    precision_recall_by_radius,
    rank_codes,
    recall_at,
    same_item,
    share_label,
)
from milvus_hash.record import Reject

CONVENTIONS: Mapping[str, str] = {
    "map": "mean over the queries of the expected average precision over the whole database under random order of "
    "tied distances (McSherry and Najork 2008); denominator: all relevant items; relevant: shares a label",
    "precision": "expected share of relevant items among the first k under random order of ties, divided by k",
    "recall": "true recall: expected share of all relevant items that is among the first k, ties in random order",
    "hit": "any-hit recall (R@K of image-text papers): probability of a relevant item among the first k, "
    "ties in random order",
    "queries_without_relevant": "queries that have no relevant item in the database; left out of every mean",
    "radius_precision": "relevant pairs / pairs within Hamming radius 0, 1, ... bits, pooled over the queries",
    "radius_recall": "relevant pairs within the radius / all relevant pairs, pooled over the queries",
    "pairs": "one to one: each query item against the query split alone; relevant: its own partner only; any-hit, "
    "ties in random order",
    "ones": "share of database codes that have the bit set",
    "entropy": "mean over the bits of the binary entropy of that share, in bits; 1 is balanced",
    "correlation": "mean absolute Pearson correlation over all pairs of bits that are not constant",
    "duplicates": "1 - distinct codes / codes",
    "overlap": "items in both splits; they stay in the database of their own query",
}
"""What each figure means; the same keys as in the report."""


@dataclass(frozen=True, slots=True)
class Task:
    """Figures of one direction at one length, by the labels; ``CONVENTIONS`` says what each means."""

    task: str
    bits: int
    queries: int
    database: int
    queries_without_relevant: int
    map: float
    precision: Mapping[int, float]
    recall: Mapping[int, float]
    hit: Mapping[int, float]
    radius_precision: tuple[float, ...]
    radius_recall: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Figures of one direction at one length, where only a query's own partner counts."""

    task: str
    bits: int
    queries: int
    candidates: int
    hit: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Bits:
    """How the database codes of one modality use their bits at one length."""

    modality: str
    bits: int
    codes: int
    ones: tuple[float, ...]
    entropy: float
    correlation: float
    constant: int
    duplicates: float


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`evaluate` found out."""

    bundle: str
    method: str
    fingerprint: str
    manifest: str
    overlap: int
    tasks: tuple[Task, ...]
    pairs: tuple[Pairs, ...]
    bits: tuple[Bits, ...]
    rejects: tuple[Reject, ...]

    def to_json(self) -> str:
        """The report as JSON with its conventions; a figure that does not exist is null."""
        return json.dumps({**_plain(asdict(self)), "conventions": dict(CONVENTIONS)}, indent=1, ensure_ascii=False)


def evaluate(
    encoder: Encoder,
    manifest: Path | str,
    *,
    bits: Sequence[int] | None = None,
    ks: Sequence[int] = (1, 5, 10, 50, 100),
    progress: Callable[[str, int], None] | None = None,
) -> Report:
    """Measure ``encoder`` on the ``query`` and ``database`` splits of a manifest.

    Every item is encoded once; shorter lengths are prefixes of its code. A task is left out where one of its sides
    has no code, and the labelled tasks where no item has labels.

    Args:
        encoder: The bundle to measure.
        manifest: A manifest, or an image folder with a ``metadata`` file.
        bits: Lengths that the bundle lists; all of them when absent.
        ks: The cut-offs.
        progress: Called after each item with its modality and the number of items done of it in this split.

    Raises:
        InputError: The bundle lacks a length, a cut-off is below 1, a split is empty, or the manifest cannot be read.
    """
    lengths = [encoder.check_bits(length) for length in (encoder.bundle.bits if bits is None else bits)]
    if not lengths or not ks or min(ks) < 1:
        raise InputError(f"bits={list(lengths)} and ks={list(ks)}: at least one each is needed, and no k below 1")
    data = read_evaluation_set(manifest)
    rejects = list(data.rejects)
    modalities = [modality for modality in ("image", "text") if modality in encoder.modalities]
    query, database = (
        {modality: encode_split(encoder, modality, split, rejects, progress) for modality in modalities}
        for split in (data.query, data.database)
    )
    directions = [(a, b) for a in modalities for b in modalities]
    return Report(
        bundle=encoder.bundle.name,
        method=encoder.bundle.method,
        fingerprint=encoder.fingerprint,
        manifest=str(manifest),
        overlap=len({record.id for record in data.query} & {record.id for record in data.database}),
        tasks=tuple(
            _task(f"{a}->{b}", data, query[a], database[b], length, ks)
            for length in lengths
            for a, b in directions
            if len(query[a].codes) and len(database[b].codes) and data.label_names
        ),
        pairs=tuple(
            _pairs(f"{a}->{b}", query[a], query[b], length, ks)
            for length in lengths
            for a, b in directions
            if a != b and len(query[a].codes) and len(query[b].codes)
        ),
        bits=tuple(
            _bits(modality, database[modality], length)
            for length in lengths
            for modality in modalities
            if len(database[modality].codes)
        ),
        rejects=tuple(rejects),
    )


def _task(
    task: str, data: EvaluationSet, query: EncodedSet, database: EncodedSet, bits: int, ks: Sequence[int]
) -> Task:
    relevance = share_label(data.multi_hot(data.query)[query.items], data.multi_hot(data.database)[database.items])
    ranking = rank_codes(prefix(query.codes, bits), prefix(database.codes, bits), relevance)
    precision, recall = precision_recall_by_radius(ranking)
    return Task(
        task=task,
        bits=bits,
        queries=len(query.codes),
        database=len(database.codes),
        queries_without_relevant=int((~ranking.has_relevant).sum()),
        map=mean(average_precision(ranking)),
        precision=mean_at(precision_at, ranking, ks),
        recall=mean_at(recall_at, ranking, ks),
        hit=mean_at(hit_at, ranking, ks),
        radius_precision=tuple(precision.tolist()),
        radius_recall=tuple(recall.tolist()),
    )


def _pairs(task: str, query: EncodedSet, candidates: EncodedSet, bits: int, ks: Sequence[int]) -> Pairs:
    ranking = rank_codes(
        prefix(query.codes, bits), prefix(candidates.codes, bits), same_item(query.items, candidates.items)
    )
    return Pairs(
        task=task,
        bits=bits,
        queries=int(ranking.has_relevant.sum()),
        candidates=len(candidates.codes),
        hit=mean_at(hit_at, ranking, ks),
    )


def _bits(modality: str, encoded: EncodedSet, bits: int) -> Bits:
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


def _plain(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value

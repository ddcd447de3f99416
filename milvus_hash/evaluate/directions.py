"""The tasks of an evaluation, and the ways to rank them: by codes, by rescored codes, by float vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import asymmetric_score, prefix
from milvus_hash.evaluate.dataset import EncodedSet, EvaluationSet
from milvus_hash.evaluate.ranking import Ranking, Relevance, rank_codes, rank_scores, same_item, share_label

Rank: TypeAlias = Callable[[EncodedSet, EncodedSet, Relevance], Iterable[Ranking]]
"""Queries, items and what is relevant -> rankings of blocks of the queries."""


@dataclass(frozen=True, slots=True)
class Direction:
    """One task: queries of one modality, and what they are to find in another or the same.

    Attributes:
        task: For instance ``image->text``.
        query: The query split, first modality.
        database: The database split, second modality.
        partners: The query split, second modality.
        by_label: Relevance of ``database``: shares a label; None where nothing can be found.
        by_pair: Relevance of ``partners``: the same item; None within a modality, or where nothing can be found.
    """

    task: str
    query: EncodedSet
    database: EncodedSet
    partners: EncodedSet
    by_label: Relevance | None
    by_pair: Relevance | None


def directions(data: EvaluationSet, encoded: Mapping[str, EncodedSet]) -> list[Direction]:
    """Every task among the modalities of ``encoded`` that has queries and something to find."""
    query, database = (
        {modality: rows.of(split) for modality, rows in encoded.items()} for split in (data.query, data.database)
    )
    found = []
    for a, b in product(encoded, repeat=2):
        asked, searched, partners = query[a], database[b], query[b]
        by_label = by_pair = None
        if len(asked.items) and len(searched.items) and data.labels.shape[1]:
            by_label = share_label(data.labels[asked.items], data.labels[searched.items])
        if a != b and len(asked.items) and len(partners.items):
            by_pair = same_item(asked.items, partners.items)
        if by_label or by_pair:
            found.append(Direction(f"{a}->{b}", asked, searched, partners, by_label, by_pair))
    return found


def by_code(bits: int) -> Rank:
    """Rank by the Hamming distance of the first ``bits`` bits."""

    def rank(queries: EncodedSet, items: EncodedSet, relevance: Relevance) -> Iterator[Ranking]:
        yield rank_codes(prefix(queries.codes, bits), prefix(items.codes, bits), relevance)

    return rank


def rescored(bits: int) -> Rank:
    """Rank by the asymmetric score of the first ``bits`` logits of a query against stored bits."""

    def rank(queries: EncodedSet, items: EncodedSet, relevance: Relevance) -> Iterator[Ranking]:
        logits, codes = queries.vectors["logits"][:, :bits], prefix(items.codes, bits)
        return rank_scores(lambda rows: asymmetric_score(logits[rows], codes), len(logits), len(codes), relevance)

    return rank


def by_cosine(name: str) -> Rank:
    """Rank by the cosine of the vectors called ``name``; a vector of zeros is equally far from all."""

    def rank(queries: EncodedSet, items: EncodedSet, relevance: Relevance) -> Iterator[Ranking]:
        left, right = _unit(queries.vectors[name]), _unit(items.vectors[name])
        return rank_scores(lambda rows: left[rows] @ right.T, len(left), len(right), relevance)

    return rank


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0))

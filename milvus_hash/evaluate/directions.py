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
from milvus_hash.evaluate.pairs import Search, by_picture, own_partners
from milvus_hash.evaluate.ranking import Ranking, Relevance, rank_codes, rank_scores, share_label

Rank: TypeAlias = Callable[[EncodedSet, EncodedSet, Relevance], Iterable[Ranking]]
"""Queries, items and what is relevant -> rankings of blocks of the queries."""


@dataclass(frozen=True, slots=True)
class Direction:
    """One task: queries of one modality, and what they are to find in another or the same.

    Attributes:
        task: For instance ``image->text``.
        labels: The query split asks, the database is searched, what shares a label is relevant; None where there is
            nothing or nothing has labels.
        pairs: The query split asks and is searched, the own partners are relevant; None where nothing has any.
    """

    task: str
    labels: Search | None
    pairs: Search | None


def directions(data: EvaluationSet, encoded: Mapping[str, EncodedSet]) -> list[Direction]:
    """Every task among the modalities of ``encoded`` that has queries and something to find."""
    query, database = (
        {modality: rows.of(split) for modality, rows in encoded.items()} for split in (data.query, data.database)
    )
    grouped = by_picture(query, len(data.records))
    found = []
    for a, b in product(encoded, repeat=2):
        asked, searched, labels = query[a], database[b], None
        if len(asked.items) and len(searched.items) and data.labels.shape[1]:
            labels = Search(asked, searched, share_label(data.labels[asked.items], data.labels[searched.items]))
        pairs = own_partners(grouped[a], grouped[b], within=a == b)
        if labels or pairs:
            found.append(Direction(f"{a}->{b}", labels, pairs))
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

"""Candidates by Hamming distance, ordered again by the query's logits against their stored bits.

A query's code keeps the signs of its logits; how sure each one was is lost. The stored rows have only their codes,
but the query has its logits still: the inner product of the two tells rows at one Hamming distance apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import asymmetric_score
from milvus_hash.errors import InputError
from milvus_hash.query.hits import Hit, to_hits
from milvus_hash.query.scope import Row
from milvus_hash.query.stored import codes_of
from milvus_hash.question import Query
from milvus_hash.store.call import Steps
from milvus_hash.store.target import Target


def check_rescoring(oversample: int, queries: Sequence[Query]) -> None:
    """Refuse an ``oversample`` below 1, and queries that are codes and nothing more.

    Raises:
        InputError: Either is the case.
    """
    if isinstance(oversample, bool) or not isinstance(oversample, int) or oversample < 1:
        raise InputError(f"oversample={oversample!r}: an integer from 1 on is needed")
    if any(query.logits is None for query in queries):
        raise InputError(
            "a ready code cannot be rescored: it has no logits; ask with text=..., image=... or the like, "
            "or with query=encoder.query(...)"
        )


def rescored(target: Target, queries: Sequence[Query], found: Sequence[Sequence[Row]]) -> Steps[list[list[Hit]]]:
    """The rows found for each query with their codes, as hits ordered by (score descending, distance, item, ordinal).

    A score is ``sum(logits * bits) / sum(abs(logits))`` with the stored bits as -1/+1: in [-1, 1], and 1 for a row
    with every bit as the query wants it. A query's ``weights`` stand in for its logits where it has any. Rows that
    were deleted meanwhile are left out.
    """
    stored = yield from codes_of(target, found)
    answers: list[list[Hit]] = []
    for query, rows in zip(queries, found, strict=True):
        there = [row for row in rows if row.pk in stored]
        weights = query.logits if query.weights is None else query.weights
        scores = [] if weights is None else score_codes(weights, [stored[row.pk] for row in there])
        answers.append(to_hits(there, target.bits, scores))
    return answers


def score_codes(weights: NDArray[np.float32], codes: Sequence[bytes]) -> list[float]:
    """Scores in [-1, 1] of one query's ``weights`` float32 ``(bits,)`` against codes of ``bits // 8`` bytes.

    Equal codes have equal ones, whatever the order in which floats are added up.
    """
    if not codes:
        return []
    distinct = list(dict.fromkeys(codes))
    packed = np.frombuffer(b"".join(distinct), dtype=np.uint8).reshape(len(distinct), -1)
    scores = asymmetric_score(weights[None], packed)[0] / np.abs(weights).sum()
    score_of = dict(zip(distinct, np.clip(scores, -1, 1).tolist(), strict=True))
    return [score_of[code] for code in codes]

"""Rescoring equals a brute force over the same candidates, and finds what the logits say is nearest."""

from __future__ import annotations

import numpy as np
import pytest

from milvus_hash import codes
from milvus_hash.collection import CodeRow
from milvus_hash.errors import InputError
from milvus_hash.question import Query

ROWS = 400


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (ROWS, 8), dtype=np.uint8)


def question(seed: int) -> Query:
    logits = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
    return Query(codes.pack(logits[None])[0], logits)


def fill(store, data):
    collection = store.create()
    collection.add_codes(CodeRow(f"{n:03}", "image", 0, code, {"n": n}) for n, code in enumerate(data))
    return collection


def scores(query: Query, data: np.ndarray) -> np.ndarray:
    """The cosine-like score in float64, written out."""
    signs = np.where(np.unpackbits(data, axis=1), 1.0, -1.0)
    return signs @ query.logits.astype(float) / np.abs(query.logits).sum()


def test_rescoring_all_rows_is_the_asymmetric_ranking(flat_store, data):
    collection = fill(flat_store, data)
    queries = [question(seed) for seed in range(3)]
    for query, hits in zip(
        queries, collection.search_many(queries, limit=20, oversample=20, rescore=True), strict=True
    ):
        expected = scores(query, data)
        best = np.argsort(-expected)[:20]
        assert [hit.item for hit in hits] == [f"{n:03}" for n in best]
        np.testing.assert_allclose([hit.score for hit in hits], expected[best], atol=1e-6)
        distances = codes.hamming(query.code[None], data)[0]
        assert [hit.distance for hit in hits] == distances[best].tolist()
        assert [hit.fields for hit in hits] == [{"n": n} for n in best]
        plain = collection.search(query=query, limit=20)
        assert [hit.item for hit in plain] != [hit.item for hit in hits]  # it does change the order


def test_only_candidates_within_reach_are_rescored(flat_store, data):
    """With complete candidates the answer is settled: all rows as near as the ``limit * oversample``-th."""
    collection = fill(flat_store, data)
    for seed in range(3):
        query = question(seed)
        distances = codes.hamming(query.code[None], data)[0]
        near = np.flatnonzero(distances <= np.sort(distances)[9])
        best = near[np.argsort(-scores(query, data[near]))][:5]
        hits = collection.search(query=query, limit=5, oversample=2, rescore=True, complete=True)
        assert [hit.item for hit in hits] == [f"{n:03}" for n in best]


def test_the_offset_counts_rescored_hits(lite_store, data):
    collection = fill(lite_store, data)
    query = question(7)
    every = collection.search(query=query, limit=12, oversample=40, rescore=True)
    paged = [
        hit
        for offset in (0, 5, 10)
        for hit in collection.search(query=query, limit=5, offset=offset, oversample=80, rescore=True)
    ]
    assert paged[:12] == every


def test_a_row_that_fits_every_bit_scores_one(lite_store):
    collection = lite_store.create()
    query = question(1)
    collection.add_codes([CodeRow("same", "image", 0, query.code), CodeRow("flipped", "image", 0, ~query.code)])
    same, flipped = collection.search(query=query, rescore=True)
    assert (same.item, same.score, same.distance) == ("same", pytest.approx(1), 0)
    assert (flipped.item, flipped.score, flipped.distance) == ("flipped", pytest.approx(-1), 64)


def test_weights_stand_in_for_the_logits(lite_store, data):
    collection = fill(lite_store, data)
    query, other = question(0), question(1)
    hits = collection.search(query=Query(query.code, query.logits, other.logits), limit=ROWS, rescore=True)
    assert [hit.item for hit in hits] == [f"{n:03}" for n in np.argsort(-scores(other, data))]


def test_equal_codes_are_ordered_by_item_and_ordinal(lite_store):
    collection = lite_store.create()
    code = np.arange(8, dtype=np.uint8)
    rows = [CodeRow(item, "image", n, code) for item in ("b", "a", "é") for n in (1, 0)]
    collection.add_codes(rows)
    found = [(hit.item, hit.ordinal) for hit in collection.search(query=question(2), rescore=True)]
    assert found == sorted((row.item, row.ordinal) for row in rows)


def test_a_question_of_words_is_rescored(lite_store, tiny_encoder):
    """On nested codes too, whose logits are a prefix as the codes are."""
    collection = lite_store.create(bits=32)
    texts = ["red", "green", "blue", "a cat", "two dogs"]
    stored = tiny_encoder.encode_texts(texts, bits=32)
    collection.add_codes(CodeRow(text, "text", 0, code) for text, code in zip(texts, stored, strict=True))
    logits = tiny_encoder.encode("text", ["red"], bits=32).logits[0]
    hits = collection.search(text="red", into="text", rescore=True)
    expected = scores(Query(stored[0], logits), stored)
    assert hits[0].item == "red"
    np.testing.assert_allclose([hit.score for hit in hits], sorted(expected, reverse=True), atol=1e-6)


def test_more_candidates_than_a_search_gives(lite_store, data):
    """``limit * oversample`` stops at 16,384 rows."""
    collection = fill(lite_store, data)
    assert len(collection.search(query=question(0), limit=10_000, oversample=5, rescore=True)) == ROWS


def test_rescoring_nothing(lite_store):
    collection = lite_store.create()
    assert collection.search(query=question(0), rescore=True) == []
    assert collection.search_many([], rescore=True) == []


def test_what_cannot_be_rescored(empty_collection):
    with pytest.raises(InputError, match="a ready code cannot be rescored"):
        empty_collection.search(code=bytes(8), rescore=True)
    with pytest.raises(InputError, match="bytes is given where a Query is needed"):
        empty_collection.search_many([bytes(8)], rescore=True)
    for oversample in (0, -1, 1.5, True, "4"):
        with pytest.raises(InputError, match="oversample"):
            empty_collection.search(query=question(0), rescore=True, oversample=oversample)

"""One hit an item equals a grouping of all rows in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from milvus_hash import codes
from milvus_hash.collection import CodeRow
from milvus_hash.question import Query

SIZES = (1, 5, 40, 2)
"""Rows of the items, in turn: one item alone has more rows than are fetched at first for ten."""


def clips(count: int, seed: int = 0) -> list[CodeRow]:
    """Items whose rows lie close together, as the frames of a clip do."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(count):
        centre = rng.integers(0, 256, 8, dtype=np.uint8)
        noise = rng.random((SIZES[n % 4], 64)) < 0.05
        rows += [
            CodeRow(f'clip "{n}" é', "video", k, centre ^ np.packbits(flips), {"second": k})
            for k, flips in enumerate(noise)
        ]
    return rows


def nearest_of_each(rows: list[CodeRow], score: np.ndarray) -> list[tuple[float, str, int]]:
    """(score, item, ordinal) of the best row of each item, best first; small is better."""
    best: dict[str, tuple[float, str, int]] = {}
    for row, value in zip(rows, score.tolist(), strict=True):
        mine = (value, row.item, row.ordinal)
        best[row.item] = min(mine, best.get(row.item, mine))
    return sorted(best.values())


def found(hits) -> list[tuple[float, str, int]]:
    return [(hit.distance, hit.item, hit.ordinal) for hit in hits]


def question(seed: int) -> Query:
    logits = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
    return Query(codes.pack(logits[None])[0], logits)


def matrix(rows: list[CodeRow]) -> np.ndarray:
    return np.stack([np.asarray(row.code) for row in rows])


def test_groups_equal_brute_force(flat_store):
    collection = flat_store.create()
    rows = clips(60)
    collection.add_codes(rows)
    queries = [question(seed) for seed in range(4)] + [Query(np.asarray(rows[6].code))]
    distances = codes.hamming(np.stack([query.code for query in queries]), matrix(rows))
    expected = [nearest_of_each(rows, row) for row in distances]
    for limit in (1, 7, 60, 100, 16_384):
        answers = collection.search_many(queries, into="video", limit=limit, by_item=True, complete=True)
        for hits, wanted in zip(answers, expected, strict=True):
            last = wanted[min(limit, 60) - 1][0]
            assert found(hits) == [one for one in wanted if one[0] <= last]
        for hits, wanted in zip(
            collection.search_many(queries, into="video", limit=limit, by_item=True), expected, strict=True
        ):
            assert [hit.distance for hit in hits] == [distance for distance, _, _ in wanted[:limit]]
            assert len({hit.item for hit in hits}) == len(hits)


def test_offsets_count_items(flat_store):
    collection = flat_store.create()
    rows = clips(30)
    collection.add_codes(rows)
    query = question(3)
    expected = nearest_of_each(rows, codes.hamming(query.code[None], matrix(rows))[0])
    pages = []
    while hits := collection.search(query=query, into="video", limit=4, offset=len(pages), by_item=True, complete=True):
        pages += found(hits)
    assert pages == expected


def test_groups_are_made_of_rescored_rows(flat_store):
    collection = flat_store.create()
    rows = clips(30)
    collection.add_codes(rows)
    query = question(5)
    signs = np.where(np.unpackbits(matrix(rows), axis=1), 1.0, -1.0)
    expected = nearest_of_each(rows, -(signs @ query.logits.astype(float)) / np.abs(query.logits).sum())
    hits = collection.search(query=query, into="video", limit=8, oversample=100, rescore=True, by_item=True)
    assert [(hit.item, hit.ordinal) for hit in hits] == [(item, ordinal) for _, item, ordinal in expected[:8]]
    np.testing.assert_allclose([-hit.score for hit in hits], [score for score, _, _ in expected[:8]], atol=1e-6)


def test_filters_hold_for_groups(flat_store):
    collection = flat_store.create()
    rows = clips(30)
    collection.add_codes(rows)
    some = [row for row in rows if row.fields["second"] > 1]
    query = question(2)
    expected = nearest_of_each(some, codes.hamming(query.code[None], matrix(some))[0])
    hits = collection.search(query=query, into="video", limit=50, by_item=True, filter="second > 1")
    assert [hit.distance for hit in hits] == [distance for distance, _, _ in expected]
    assert {hit.item for hit in hits} == {item for _, item, _ in expected}


def test_an_item_of_more_rows_than_a_search_gives(lite_store):
    """17,000 frames of one clip lie nearer than everything else."""
    collection = lite_store.create()
    zero, far = np.zeros(8, np.uint8), np.full(8, 255, np.uint8)
    near = zero.copy()
    near[0] = 1
    collection.add_codes(CodeRow('a "long" film', "video", n, zero if n % 2 else near) for n in range(17_000))
    others = clips(10)
    collection.add_codes([*others, CodeRow("far", "video", 0, far)])
    expected = nearest_of_each(others, codes.hamming(zero[None], matrix(others))[0])
    for complete in (False, True):
        hits = collection.search(code=zero, into="video", limit=20, by_item=True, complete=complete)
        assert [hit.distance for hit in hits] == [0, *(distance for distance, _, _ in expected), 64]
        assert hits[0].item == 'a "long" film'
    assert found(hits) == [(0, 'a "long" film', 1), *expected, (64, "far", 0)]


@pytest.mark.parametrize("complete", [False, True])
def test_grouping_nothing(lite_store, complete):
    collection = lite_store.create()
    assert collection.search(code=bytes(8), by_item=True, complete=complete) == []
    assert collection.search_many([], by_item=True, complete=complete) == []

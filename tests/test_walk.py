"""A walk over a collection gives every row, whatever Milvus' pages look like; large answers come in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_pymilvus import plain_client
from pymilvus import DataType, MilvusClient

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import AnswerTooLarge, StoreError
from milvus_hash.query import walk
from milvus_hash.query.walk import Reading, pages, rows_by_key
from milvus_hash.question import Query
from milvus_hash.store.call import Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency

READING = Reading("cellar", "id", lite=False, output_fields=("year",))


def answered(steps: Steps[Any], answer: Callable[..., Any]) -> Any:
    """Run steps with ``answer(above, up_to, limit, keys)`` in Milvus' place: for versions that cannot run here."""
    calls = 0
    try:
        call = next(steps)
        while True:
            calls += 1
            assert calls < 2000, "the walk does not end"
            bounds = dict(word for word in zip(*[iter(_words(call.kwargs["filter"]))] * 2, strict=True))
            keys = bounds.get("in")
            found = answer(bounds.get(">"), bounds.get("<="), call.kwargs.get("limit"), keys)
            if call.kwargs["output_fields"] == ["count(*)"]:
                found = [{"count(*)": len(answer(bounds.get(">"), bounds.get("<="), None, keys))}]
            call = steps.throw(found) if isinstance(found, Exception) else steps.send(found)
    except StopIteration as end:
        return end.value


def _words(condition: str) -> list[Any]:
    """Signs and values of the filters of integer keys."""
    if " in [" in condition:
        return ["in", [int(key) for key in condition[condition.index("[") + 1 : -1].split(",")]]
    words = [part.split() for part in condition.replace("(", "").replace(")", "").split(" and ") if part]
    return [word for _, sign, value in words for word in (sign, int(value))]


def rows(keys: Any) -> list[dict[str, int]]:
    return [{"id": key, "year": key % 100} for key in keys]


@given(st.sets(st.integers(0, 3000), max_size=400), st.randoms(use_true_random=False), st.integers(1, 9))
def test_gaps_and_short_pages_lose_nothing(keys, random, parts):
    """Segments answer for themselves, a page ends anywhere, and rows between its keys may be missing."""

    def milvus(above, up_to, limit, _):
        inside = sorted(key for key in keys if (above is None or key > above) and (up_to is None or key <= up_to))
        if limit is None:
            return rows(inside)
        page = inside[: max(1, random.randrange(limit * parts + 1))]
        return rows(key for key in page if random.random() < 0.9 or key == page[-1])

    found = answered(all_rows_by_pages(), milvus)
    assert [row["id"] for row in found] == sorted(keys)


def all_rows_by_pages() -> Steps[list[Any]]:
    """The steps of :func:`pages` without a connection."""
    page, found = walk._Page(None, 4), []
    while not page.last:
        page = yield from walk._page_after(READING, page, None)
        found += page.rows
    return found


def test_an_empty_page_is_no_end_while_milvus_counts_rows():
    asked = []

    def milvus(above, up_to, limit, _):
        asked.append(limit)
        return [] if len(asked) == 1 else rows(key for key in (3, 5) if above is None or key > above)

    assert answered(all_rows_by_pages(), milvus) == rows([3, 5])


def test_keys_that_were_not_asked_for_end_the_walk():
    with pytest.raises(StoreError, match="asked for keys above 5, Milvus gave 1"):
        answered(all_rows_by_pages(), lambda above, up_to, limit, _: rows([1, 5]))


def test_answers_that_are_too_large_are_asked_for_in_parts():
    def milvus(above, up_to, limit, keys):
        inside = [key for key in range(100) if (above is None or key > above) and (up_to is None or key <= up_to)]
        inside = inside if keys is None else keys
        inside = inside if limit is None else inside[:limit]
        return AnswerTooLarge("larger than max") if len(inside) > 3 else rows(inside)

    def counting(above, up_to, limit, keys):
        """A count is never too large."""
        found = milvus(above, up_to, limit, keys)
        return found if limit or keys or isinstance(found, list) else rows(range(above or 0, up_to or 100))

    assert [row["id"] for row in answered(rows_by_key(READING, list(range(100))), counting)] == list(range(100))
    with pytest.raises(AnswerTooLarge):
        answered(rows_by_key(READING, [1]), lambda *_: AnswerTooLarge("larger than max"))


@pytest.mark.parametrize("text_keys", [False, True], ids=["integers", "texts"])
def test_every_row_of_many_segments_is_walked(server_uri, text_keys):
    """Sealed and growing segments with interleaved keys, deleted rows, and keys that were inserted twice."""
    name, rng = f"walked_{text_keys}", np.random.default_rng(1)
    key = (lambda number: f'{number:x}"\\\n') if text_keys else int
    client = plain_client(server_uri)
    schema = MilvusClient.create_schema()
    kind = {"datatype": DataType.VARCHAR, "max_length": 50} if text_keys else {"datatype": DataType.INT64}
    schema.add_field("id", is_primary=True, **kind)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
    numbers = rng.permutation(8000)[:3000].tolist()
    for part in range(5):
        client.insert(name, [{"id": key(number), "vector": [number, 0]} for number in numbers[part::5]])
        if part < 3:
            client.flush(name)
    for _ in range(2):
        client.insert(name, [{"id": key(number), "vector": [number, 0]} for number in numbers[:300]])
    client.delete(name, ids=numbers[200:900]) if not text_keys else client.delete(
        name, filter=f"id in [{', '.join(walk.quoted(key(number), lite=False) for number in numbers[200:900])}]"
    )
    wanted = sorted(key(number) for number in numbers[:200] + numbers[900:])
    connection = Connection(server_uri)
    walk_ = list(pages(connection, name, "id", ["vector"], sizes={"vector": 8 * 2000}))
    found = [row for page in walk_ for row in page]
    assert len(walk_) > 3
    assert [row["id"] for row in found] == wanted
    assert {row["id"]: row["vector"][0] for row in found} == {key(n): n for n in numbers[:200] + numbers[900:]}
    part = [row["id"] for page in pages(connection, name, "id", [], above=wanted[9], up_to=wanted[99]) for row in page]
    assert part == wanted[10:100]
    reading = Reading(name, "id", False)
    asked = connection.run(rows_by_key(reading, [key(number) for number in numbers]), Consistency("Strong"))
    assert sorted(row["id"] for row in asked) == wanted
    connection.close()
    client.drop_collection(name)
    client.close()


def test_an_item_may_have_more_rows_than_one_answer_holds(flat_store):
    collection = flat_store.create()
    codes = np.random.default_rng(0).integers(0, 256, (17_000, 8), dtype=np.uint8)
    collection.add_codes(CodeRow("film", "video", n, code, {"second": n}) for n, code in enumerate(codes))
    collection.add_codes([CodeRow("film", "text", 0, codes[0]), CodeRow("other", "video", 0, codes[0])])
    found = collection.get(["film", "unknown"])
    assert [(row.modality, row.ordinal) for row in found] == [("text", 0), *(("video", n) for n in range(17_000))]
    assert [row.fields["second"] for row in found[1:]] == list(range(17_000))
    np.testing.assert_array_equal(np.stack([row.code for row in found[1:]]), codes)
    assert len(collection.get(["film"], modality="text")) == 1


def test_more_questions_than_milvus_takes_at_once(flat_store):
    collection = flat_store.create()
    codes = np.random.default_rng(0).integers(0, 256, (50, 8), dtype=np.uint8)
    collection.add_codes(CodeRow(str(n), "image", 0, code) for n, code in enumerate(codes))
    answers = collection.search_codes(np.tile(codes, (400, 1)), limit=1)
    assert [hits[0].item for hits in answers] == [str(n) for n in range(50)] * 400


async def _async_answers(collection: HashCollection, queries: list[Query]) -> list[Any]:
    async with AsyncHashCollection(collection) as asking:
        return [
            await asking.search_many(queries, into="text", limit=2300),
            await asking.within(64, code=bytes(8), into="text"),
            await asking.get([f"i{n}" for n in range(2300)]),
        ]


def test_answers_beyond_what_a_server_sends_come_in_parts(server_uri, tiny_encoder):
    import asyncio

    codes = np.random.default_rng(0).integers(0, 256, (2300, 8), dtype=np.uint8)
    collection = HashCollection.create("beyond", tiny_encoder, uri=server_uri, timeout=120)
    collection.add_codes(
        CodeRow(f"i{n}", "text", 0, code, {"text": f"{n} " + "x" * 30_000}) for n, code in enumerate(codes)
    )
    logits = np.ones(64, np.float32)
    queries = [Query(np.full(8, 255, np.uint8), logits), Query(np.zeros(8, np.uint8), -logits)]
    answers = collection.search_many(queries, into="text", limit=2300)
    answers += collection.search_many(queries[:1], into="text", limit=2300, complete=True)
    answers += collection.search_many(queries[:1], into="text", limit=2300, rescore=True)
    answers += [collection.within(64, code=bytes(8), into="text")]
    answers += collection.search_many(queries[:1], into="text", limit=2300, by_item=True)
    for hits in answers:
        assert sorted(hit.item for hit in hits) == sorted(f"i{n}" for n in range(2300))
        assert all(hit.fields["text"].startswith(f"{hit.item[1:]} x") for hit in hits)
    stored = collection.get([f"i{n}" for n in range(2300)])
    assert [len(row.fields["text"]) > 30_000 for row in stored] == [True] * 2300
    searched, within, got = asyncio.run(_async_answers(collection, queries))
    assert searched == answers[:2]
    assert within == answers[4]
    assert [row.item for row in got] == [row.item for row in stored]
    HashCollection.open("beyond", tiny_encoder, uri=server_uri).drop()

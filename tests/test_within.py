"""Rows within a radius and nearest rows with all ties: equal to brute force, on every backend and index."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milvus_hash import codes
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.query import within as module
from milvus_hash.query.scope import MAX_LIMIT, Scope
from milvus_hash.query.within import complete_nearest, within
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.index import Index
from milvus_hash.store.target import Target


def crowd() -> list[CodeRow]:
    """20,000 rows: 17,000 with one code, the others around it and anywhere; ids in no order."""
    generator = np.random.default_rng(0)
    data = np.zeros((20_000, 8), dtype=np.uint8)
    data[17_000:18_500] = np.packbits(generator.random((1500, 64)) < 0.1, axis=1)
    data[18_500:] = generator.integers(0, 256, (1500, 8))
    numbers = generator.permutation(len(data))
    return [CodeRow(f"{n:05}", "image", 0, code, {"year": int(n % 3)}) for n, code in zip(numbers, data, strict=True)]


ROWS = crowd()
CODES = np.stack([row.code for row in ROWS])
QUERIES = np.concatenate([CODES[[0, 17_500, 18_400, 19_000, 19_500]], ~CODES[:1]])


def expected(code: np.ndarray, radius: int, rows: list[CodeRow] = ROWS) -> list[tuple[int, str]]:
    distances = codes.hamming(code[None], np.stack([row.code for row in rows]))[0]
    return sorted(
        (int(distance), row.item) for distance, row in zip(distances, rows, strict=True) if distance <= radius
    )


@pytest.fixture(
    scope="module",
    params=[("lite_uri", "BIN_FLAT"), ("server_uri", "BIN_FLAT"), ("server_uri", "BIN_IVF_FLAT")],
    ids=["lite", "server-flat", "server-ivf"],
)
def crowded(request, tiny_encoder):
    """The crowd, on a server half of it sealed and indexed and half growing; no test changes it."""
    uri, index = request.getfixturevalue(request.param[0]), request.param[1]
    name = f"crowded_{index}"
    with HashCollection.create(name, tiny_encoder, uri=uri, index=index, timeout=60) as collection:
        collection.add_codes(ROWS[::2])
        if request.param[0] == "server_uri":
            collection.flush()
            wait_for_index(collection, len(ROWS) // 2)
        collection.add_codes(ROWS[1::2])
        yield collection
        collection.drop()


def wait_for_index(collection: HashCollection, rows: int) -> None:
    client = collection.table.connection.client
    deadline = time.monotonic() + 60
    while client.describe_index(collection.name, "code")["indexed_rows"] < rows:
        assert time.monotonic() < deadline, client.describe_index(collection.name, "code")
        time.sleep(0.1)
    client.release_collection(collection.name)
    client.load_collection(collection.name)  # so that the indexed segment answers and not the growing one


@pytest.mark.parametrize("radius", [0, 9, 30, 64])
def test_every_row_within_a_radius_is_found_once(crowded, radius):
    for code in (bytes(8), b"\xff" * 8, bytes(ROWS[18_000].code), bytes(ROWS[19_000].code))[: 1 if radius == 64 else 4]:
        hits = crowded.within(radius, code=code, output_fields=[])
        assert [(hit.distance, hit.item) for hit in hits] == expected(np.frombuffer(code, np.uint8), radius)


def test_a_filter_holds_in_every_part(crowded):
    hits = crowded.within(64, code=bytes(8), filter="year > 0", output_fields=["year"])
    assert {hit.fields["year"] for hit in hits} == {1, 2}
    wanted = expected(CODES[0], 64, [row for row in ROWS if row.fields["year"] > 0])
    assert [(hit.distance, hit.item) for hit in hits] == wanted
    assert crowded.within(64, code=bytes(8), into="text") == []


def count_calls(collection: HashCollection, code: np.ndarray, most: int) -> int:
    """The calls that Milvus is sent for one answer."""
    calls = 0

    def counted():
        nonlocal calls
        steps = within(collection.table.target, code.tobytes(), Scope(), most=most)
        call = next(steps)
        while True:
            calls += 1
            answer = yield call
            try:
                call = steps.send(answer)
            except StopIteration as end:
                return end.value

    collection.table.run(counted())
    return calls


def test_one_call_where_a_search_has_room_for_the_answer(crowded):
    assert count_calls(crowded, ~CODES[0], 5) == 1
    assert count_calls(crowded, CODES[0], 0) <= 4  # 17,000 rows: one search, or two, and two halves


def test_deleted_and_replaced_rows(flat_store):
    collection = flat_store.create()
    assert collection.within(64, code=bytes(8)) == []
    collection.add_codes(ROWS[:50])
    collection.table.call("deleting", "delete", filter='item > "10000"')
    left = [row for row in ROWS[:50] if row.item <= "10000"]
    moved = replace(left[0], code=np.full(8, 255, np.uint8))
    collection.add_codes([moved, moved])
    assert 1 < len(left) < 49
    hits = collection.within(64, code=bytes(8))
    assert [(hit.distance, hit.item) for hit in hits] == expected(CODES[0], 64, [moved, *left[1:]])


@pytest.fixture(params=["int64", "text"])
def plain(request, lite_uri):
    """A collection that is not of this package, with more rows of one code than a search returns, and its keys."""
    from pymilvus import DataType, MilvusClient

    from milvus_hash.store.building import create_index

    if request.param == "int64":
        kind, keys = {"datatype": DataType.INT64}, list(range(-9000, 9000))
    else:
        kind = {"datatype": DataType.VARCHAR, "max_length": 64}
        keys = [f"{n}{char}" for n in range(3000) for char in ("", '"', "\\", "\t", "\n", "ö")]
    connection = Connection(lite_uri)
    schema = MilvusClient.create_schema()
    schema.add_field("key", is_primary=True, **kind)
    schema.add_field("code", DataType.BINARY_VECTOR, dim=16)
    connection.call("creating", "create_collection", "plain", schema=schema)
    create_index(connection, "plain", Index("BIN_FLAT"))
    connection.call("loading", "load_collection", "plain")
    connection.call("writing", "upsert", "plain", [{"key": key, "code": b"ab"} for key in keys])
    yield connection, Target("plain", 16, "BIN_FLAT", pk="key", lite=connection.lite2), keys
    connection.call("dropping", "drop_collection", "plain")
    connection.close()


def test_keys_of_any_kind(plain):
    connection, target, keys = plain
    rows = connection.run(within(target, b"ab", Scope(), most=0), Consistency())
    assert [row.pk for row in rows] == sorted(keys)
    ((*tied,),) = connection.run(
        complete_nearest(target, np.array([[97, 98]], np.uint8), Scope(), limit=3), Consistency()
    )
    assert [row.pk for row in tied] == sorted(keys)


def test_a_graph_is_refused():
    target = Target("graph", 64, "HNSW")
    for steps in (within(target, bytes(8), Scope(), most=3), complete_nearest(target, CODES[:1], Scope(), limit=3)):
        with pytest.raises(StoreError, match="HNSW, which may miss rows"):
            next(steps)


class Found(SimpleNamespace):
    """A row as pymilvus gives it."""

    def __getitem__(self, name: str) -> object:
        return getattr(self, name)

    def keys(self) -> list[str]:
        return list(vars(self))


@pytest.mark.parametrize(("lite", "end"), [(True, "\r"), (False, "\t")])
def test_keys_that_do_not_tell_rows_apart_are_an_error_and_no_endless_loop(lite, end):
    """No filter of Milvus Lite can name a carriage return; a server may take no notice of what a filter says."""
    rows = [Found(id=f"{n}{end}", distance=0.0, entity={}) for n in range(MAX_LIMIT)]
    steps = within(Target("odd", 64, "BIN_FLAT", lite=lite), bytes(8), Scope(), most=0)
    next(steps)
    if not lite:
        steps.send([rows])
    with pytest.raises(StoreError, match="primary keys do not tell apart"):
        steps.send([rows])


@pytest.fixture(scope="module")
def few(lite_uri, tiny_encoder):
    """300 rows of few codes, on Milvus Lite."""
    generator = np.random.default_rng(1)
    near = np.packbits(generator.random((30, 64)) < 0.15, axis=1)
    rows = [CodeRow(f"{n:03}", "image", 0, near[n % 30 if n % 3 else 0]) for n in generator.permutation(300)]
    with HashCollection.create("few", tiny_encoder, uri=lite_uri) as collection:
        collection.add_codes(rows)
        yield collection, rows
        collection.drop()


@settings(deadline=None, max_examples=30)
@given(
    index=st.sampled_from(["BIN_FLAT", "BIN_IVF_FLAT"]),
    fits=st.integers(5, 60),
    asked=st.binary(min_size=8, max_size=8) | st.just(bytes(8)),
    least=st.integers(0, 40),
    width=st.integers(0, 64),
)
def test_any_range_in_searches_that_are_much_too_small(few, index, fits, asked, least, width):
    """Both ways of asking, with so small a limit that answers come in dozens of parts."""
    collection, rows = few
    most = min(64, least + width)
    target = replace(collection.table.target, index=index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_LIMIT", fits)
        patch.setattr(module, "_FIRST", 3)
        found = collection.table.run(within(target, asked, Scope(), least=least, most=most))
    wanted = [pair for pair in expected(np.frombuffer(asked, np.uint8), most, rows) if pair[0] >= least]
    assert [(row.distance, row.pk.split("#")[0]) for row in found] == wanted
    assert max(Counter(row.pk for row in found).values(), default=1) == 1


@pytest.mark.parametrize(("limit", "offset"), [(1, 0), (10, 0), (10, 7), (300, 1500), (16_384, 0), (84, 16_300)])
def test_distances_equal_brute_force(crowded, limit, offset):
    queries = QUERIES[: 2 if limit == MAX_LIMIT else None]
    found = crowded.search_codes(
        queries, limit=limit, offset=offset, output_fields=[], search_params=crowded.table.target.exact_params
    )
    for hits, row in zip(found, codes.hamming(queries, CODES), strict=True):
        assert [hit.distance for hit in hits] == np.sort(row)[offset : offset + limit].tolist()
        assert len({hit.item for hit in hits}) == limit


@pytest.mark.parametrize("limit", [1, 10, 1501, 16_384])
def test_all_rows_at_the_last_distance_are_there(crowded, limit):
    queries = QUERIES[: {1501: 3, MAX_LIMIT: 1}.get(limit)]
    found = crowded.search_codes(queries, limit=limit, output_fields=[], complete=True)
    for query, hits, row in zip(queries, found, codes.hamming(queries, CODES), strict=True):
        assert [(hit.distance, hit.item) for hit in hits] == expected(query, int(np.sort(row)[limit - 1]))


def test_fewer_rows_than_asked_for(lite_store):
    collection = lite_store.create()
    assert collection.search_codes(QUERIES, complete=True) == [[]] * len(QUERIES)
    collection.add_codes(ROWS[:7])
    assert [len(hits) for hits in collection.search_codes(QUERIES, limit=10, complete=True)] == [7] * len(QUERIES)


@settings(deadline=None, max_examples=30)
@given(asked=st.binary(min_size=8, max_size=8) | st.just(bytes(8)), limit=st.integers(1, 320), fits=st.integers(20, 60))
def test_any_limit_in_searches_that_are_much_too_small(few, asked, limit, fits):
    collection, rows = few
    query = np.frombuffer(asked, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_LIMIT", max(fits, limit))
        patch.setattr(module, "_SPARE", 2)
        ((*found,),) = collection.table.run(
            complete_nearest(collection.table.target, query[None], Scope(), limit=limit)
        )
    distances = sorted(distance for distance, _ in expected(query, 64, rows))
    last = distances[min(limit, len(rows)) - 1]
    assert [(row.distance, row.pk.split("#")[0]) for row in found] == expected(query, last, rows)

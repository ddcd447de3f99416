"""Which index a collection gets, and what Milvus makes of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from test_tuning import clustered

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError, StoreError
from milvus_hash.store import catalog, index
from milvus_hash.store.building import PROPERTY, rebuild, remember_search, remembered, wait_until_served
from milvus_hash.store.connection import Connection
from milvus_hash.store.description import describe, exists
from milvus_hash.store.index import EXACT_UP_TO, Index, inverted_lists, lists_for, resolve
from milvus_hash.store.schema import Provenance
from milvus_hash.tuning import tune

MADE_BY = Provenance("tiny", "sha256:0", 64)


def test_auto_goes_by_size_and_server():
    assert resolve("auto", lite=False).kind == "BIN_FLAT"
    assert resolve("auto", lite=False, rows=EXACT_UP_TO).kind == "BIN_FLAT"
    assert resolve("auto", lite=False, rows=EXACT_UP_TO + 1).kind == "BIN_IVF_FLAT"
    assert resolve("auto", lite=True, rows=10**9).kind == "BIN_FLAT"


@pytest.mark.parametrize("rows", [-1, 1.5, True, "many"])
def test_rows_that_are_no_number_are_refused(rows):
    with pytest.raises(InputError, match="expected_rows"):
        resolve("auto", lite=False, rows=rows)


@pytest.mark.parametrize("rows", [0, 1, 39, 1_024, 50_000, 10**8])
def test_lists_leave_39_rows_to_each(rows):
    assert 1 <= lists_for(rows) <= max(1, rows // 39)


def test_lite_has_no_other_index():
    with pytest.raises(StoreError, match="Milvus Lite has no HNSW"):
        resolve("HNSW", lite=True)


def test_a_new_collection_has_lists_for_the_rows_that_are_expected(server_uri: str, tiny_encoder: Encoder):
    with HashCollection.create("large", tiny_encoder, uri=server_uri, timeout=60, expected_rows=3_000_000) as large:
        assert (large.index, describe(large.table.connection, "large").index.build) == (
            "BIN_IVF_FLAT",
            {"nlist": lists_for(3_000_000)},
        )
        large.drop()


def test_a_refused_index_leaves_no_collection(server_uri: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(index._BUILD, "HNSW", {"M": 1_000_000, "efConstruction": 1})  # beyond what Milvus takes
    connection = Connection(server_uri, timeout=60)
    with pytest.raises(StoreError, match="BIN_IVF_FLAT"):
        catalog.create(connection, "refused", MADE_BY, "HNSW", {})
    assert not exists(connection, "refused")
    connection.close()


@pytest.mark.parametrize(
    ("described", "search"),
    [
        ({}, {"nprobe": 4}),
        ({PROPERTY: "broken"}, {"nprobe": 4}),
        ({PROPERTY: '{"kind": "BIN_IVF_FLAT", "build": {"nlist": 64}, "search": {"nprobe": 9}}'}, {"nprobe": 9}),
        ({PROPERTY: '{"kind": "BIN_IVF_FLAT", "build": {"nlist": 32}, "search": {"nprobe": 9}}'}, {"nprobe": 4}),
        ({PROPERTY: '{"kind": "BIN_IVF_FLAT", "build": {"nlist": 64}, "search": {"nprobe": 0}}'}, {"nprobe": 4}),
        ({PROPERTY: '{"kind": "BIN_IVF_FLAT", "build": {"nlist": 64}, "search": 3}'}, {"nprobe": 4}),
    ],
)
def test_a_stored_search_counts_for_its_own_index_alone(described: dict[str, str], search: dict[str, int]):
    assert remembered(inverted_lists(64), {"properties": described}).search == search


@pytest.fixture
def filled(server_uri: str, tiny_encoder: Encoder) -> Iterator[HashCollection]:
    collection = HashCollection.create("filled", tiny_encoder, uri=server_uri, timeout=60)
    codes = clustered(5000)
    collection.add_codes(CodeRow(f"{n:05}", "image", 0, code) for n, code in enumerate(codes))
    collection.flush()
    yield collection
    collection.drop()


@pytest.mark.parametrize(
    "wanted",
    [inverted_lists(64), Index("HNSW", {"M": 8, "efConstruction": 32}, {"ef": 16})],
    ids=lambda wanted: wanted.kind,
)
def test_an_index_is_approximate_and_exact_when_asked(filled: HashCollection, wanted: Index):
    connection, name = filled.table.connection, filled.name
    rebuild(connection, name, wanted, lambda remark: None)
    wait_until_served(connection, name)
    remember_search(connection, name, wanted)
    assert describe(connection, name).index == wanted
    least = {"nprobe": 1} if wanted.kind == "BIN_IVF_FLAT" else {"ef": 10}
    most = {"nprobe": 64} if wanted.kind == "BIN_IVF_FLAT" else {"ef": 5000}
    codes, stored = clustered(200, seed=1), clustered(5000)
    exact = np.sort(np.bitwise_count(codes[:, None] ^ stored[None]).sum(-1), axis=1)[:, :10]
    with HashCollection.open(name, filled.encoder, uri=filled.uri, timeout=60) as opened:
        some, all_rows = (
            np.array([[hit.distance for hit in hits] for hits in opened.search_codes(codes, search_params=params)])
            for params in (least, most)
        )
        assert len(opened.search_codes(codes[:1], limit=100)[0]) == 100  # more than the stored ef
    assert (some == exact).mean() < 0.99
    # a graph may have rows that nothing leads to
    assert (all_rows == exact).mean() >= (1 if wanted.kind == "BIN_IVF_FLAT" else 0.99)


def test_an_index_that_the_server_chooses(server_uri: str, tiny_encoder: Encoder):
    """The only one of Zilliz Cloud: searches work, and what must be exact is refused."""
    codes = clustered(5000)
    with HashCollection.create("chosen", tiny_encoder, uri=server_uri, timeout=60, index="AUTOINDEX") as made:
        made.add_codes(CodeRow(f"{n:05}", "image", 0, code) for n, code in enumerate(codes))
        made.flush()
        wait_until_served(made.table.connection, "chosen")
    with HashCollection.open("chosen", tiny_encoder, uri=server_uri, timeout=60) as opened:
        assert opened.index == "AUTOINDEX"
        assert [hits[0].distance for hits in opened.search_codes(codes[:20])] == [0] * 20
        for inexact in (lambda: opened.within(3, code=codes[0]), lambda: opened.search(code=codes[0], complete=True)):
            with pytest.raises(StoreError, match="AUTOINDEX, which may miss rows"):
                inexact()
        with pytest.raises(StoreError, match="AUTOINDEX, which takes no parameters"):
            tune(opened)
        opened.drop()

"""What an examination finds in collections that are well and in those that are not, on both backends."""

from __future__ import annotations

import numpy as np
import pytest
from plain_pymilvus import plain_client
from pymilvus import DataType, MilvusClient
from which_lite import IS_THREE, binary_fields

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.health import Health, examine
from milvus_hash.store.building import create_index
from milvus_hash.store.connection import Connection
from milvus_hash.store.features import features, server_version
from milvus_hash.store.index import Index
from milvus_hash.store.schema import Provenance


def rows_of(codes: np.ndarray, modality: str = "image") -> list[CodeRow]:
    return [CodeRow(f"{n:05}", modality, 0, code) for n, code in enumerate(codes)]


def random_codes(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8), dtype=np.uint8)


@pytest.fixture
def client(flat_store):
    client = plain_client(flat_store.uri)
    yield client
    client.close()


def names(health: Health) -> list[str]:
    return [problem.name for problem in health.problems]


def test_a_collection_that_is_well(flat_store, tiny_encoder):
    collection = flat_store.create()
    data = random_codes(1500)
    collection.add_codes([*rows_of(data), *rows_of(data[:20], "text")])
    health = examine(collection.name, tiny_encoder, uri=flat_store.uri)
    assert names(health) == []
    assert not health.broken
    assert health.loaded
    assert (health.index["index_type"], health.index["metric_type"]) == ("BIN_FLAT", "HAMMING")
    assert health.rows == {"image": 1500, "text": 20}
    assert health.made_by.fingerprint == tiny_encoder.fingerprint
    use = health.codes["image"]
    assert use.codes == 1500
    np.testing.assert_allclose(use.ones, np.unpackbits(data, axis=1).mean(0))
    assert use.duplicates == 0
    assert set(health.latency.encode) == {"text", "image"}
    assert min(health.latency.network, health.latency.search, *health.latency.encode.values()) > 0


def test_codes_that_waste_their_bits(flat_store):
    collection = flat_store.create()
    data = random_codes(1200)
    data[:, 3] = 0b1010_0000
    data[300:] = data[0]
    collection.add_codes(rows_of(data))
    health = examine(collection.name, uri=flat_store.uri)
    assert health.codes["image"].constant == 8
    assert health.codes["image"].duplicates == pytest.approx(0.75)
    assert names(health) == ["constant bits", "duplicates"]
    assert not health.broken
    assert health.latency.encode == {}


def test_none_and_an_empty_one(flat_store):
    missing = examine("nowhere", uri=flat_store.uri)
    assert (names(missing), missing.broken) == (["no collection"], True)
    empty = examine(flat_store.create().name, uri=flat_store.uri)
    assert (names(empty), empty.broken, empty.rows) == (["no rows"], False, {})


def test_codes_of_another_bundle(flat_store, other_encoder):
    collection = flat_store.create()
    collection.add_codes(rows_of(random_codes(3)))
    health = examine(collection.name, other_encoder, uri=flat_store.uri)
    assert (names(health), health.broken) == (["another bundle"], True)
    assert "distances between them mean nothing" in health.problems[0].detail
    assert health.rows == {"image": 3}  # all else is looked at


def test_a_collection_of_floats(flat_store, client):
    """Made by plain pymilvus: neither whose codes nor which field is known."""
    client.create_collection("floats", dimension=4)
    try:
        health = examine("floats", uri=flat_store.uri)
    finally:
        client.drop_collection("floats")
    assert names(health) == ["not of this package", "no code field"]
    assert "its fields are id, vector" in health.problems[1].detail


@binary_fields
def test_codes_measured_by_another_metric_or_of_another_length(flat_store, client):
    collection = flat_store.create(bits=32)
    description = client.describe_collection(collection.name)["description"]
    schema = MilvusClient.create_schema(description=description)
    schema.add_field("pk", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("code", DataType.BINARY_VECTOR, dim=64)
    index = client.prepare_index_params()
    index.add_index("code", index_type="BIN_FLAT", metric_type="JACCARD")
    client.create_collection("jaccard", schema=schema, index_params=index)
    try:
        health = examine("jaccard", uri=flat_store.uri)
    finally:
        client.drop_collection("jaccard")
    assert names(health) == ["another length", "another metric"]


def test_codes_under_integer_keys_without_modalities(flat_store):
    """The shape of a sidecar of a float collection."""
    schema = MilvusClient.create_schema(description=Provenance("learned", "f" * 64, 64).dumps())
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("code", DataType.BINARY_VECTOR, dim=64)
    link = Connection(flat_store.uri)
    link.call("creating", "create_collection", "sidecar", schema=schema)
    create_index(link, "sidecar", Index("BIN_FLAT"))
    link.call("loading", "load_collection", "sidecar")
    try:
        rows = [{"id": n, "code": code.tobytes()} for n, code in enumerate(random_codes(30))]
        link.call("writing", "upsert", "sidecar", rows)
        health = examine("sidecar", uri=flat_store.uri)
    finally:
        link.call("dropping", "drop_collection", "sidecar")
        link.close()
    assert names(health) == []
    assert health.rows == {"vector": 30}
    assert health.codes["vector"].codes == 30


def test_one_that_is_not_loaded_stays_so(server_uri, tiny_encoder):
    collection = HashCollection.create("released", tiny_encoder, uri=server_uri, timeout=60)
    client = plain_client(server_uri)
    try:
        client.release_collection(collection.name)
        health = examine(collection.name, tiny_encoder, uri=server_uri)
        assert (names(health), health.loaded, health.broken) == (["not loaded"], False, False)
        assert health.index["index_type"] == "BIN_FLAT"
        assert client.get_load_state(collection.name)["state"].name == "NotLoad"
    finally:
        collection.drop()
        client.close()


def test_one_that_is_dropped_meanwhile(flat_store, client, tiny_encoder, monkeypatch):
    collection = flat_store.create()
    call = Connection.call

    def call_after_the_drop(self: Connection, doing: str, method: str, *args: object, **kwargs: object) -> object:
        if method == "query":
            client.drop_collection(collection.name)
        return call(self, doing, method, *args, **kwargs)

    monkeypatch.setattr(Connection, "call", call_after_the_drop)
    health = examine(collection.name, tiny_encoder, uri=flat_store.uri)
    assert (names(health), health.broken) == (["unreadable"], True)
    assert "was it dropped" in health.problems[0].detail


def test_behind_an_alias(server_uri, tiny_encoder):
    collection = HashCollection.create("with_alias", tiny_encoder, uri=server_uri, timeout=60)
    client = plain_client(server_uri)
    try:
        client.create_alias(collection_name="with_alias", alias="the_alias")
        assert examine("the_alias", tiny_encoder, uri=server_uri).name == "with_alias"
    finally:
        client.drop_alias("the_alias")
        collection.drop()
        client.close()


def test_what_the_backends_can_do(flat_store):
    """Milvus 2.3.5 and Milvus Lite; what can be tried without writing is."""
    link = Connection(flat_store.uri)
    version = server_version(link)
    found = {feature.name: (feature.there, feature.tried) for feature in features(link, version)}
    kind = (3 if IS_THREE else 2) if flat_store.uri.endswith(".db") else 0
    assert version.startswith({0: "Milvus v2.3.5", 2: "Milvus Lite 2.5", 3: "Milvus Lite 3."}[kind])
    assert found["aliases"] == found["databases"] == (kind != 2, True)
    assert found["users"] == (kind == 0, True)
    assert found["filter templates"] == found["HNSW on codes"] == (False, False)
    link.close()


@pytest.mark.parametrize(
    ("version", "there"),
    [
        ("v2.4.1", {"hybrid search"}),
        ("v2.6.4", {"hybrid search", "filter templates", "HNSW on codes"}),
        ("cloud", set()),
    ],
)
def test_what_goes_by_the_version(lite_uri, monkeypatch, version, there):
    link = Connection(lite_uri)
    monkeypatch.setattr(link, "lite", False)
    by_version = {f.name for f in features(link, f"Milvus {version}") if not f.tried and f.there}
    assert by_version == there
    link.close()


def test_no_server_no_examination():
    with pytest.raises(StoreError, match="is the server running"):
        examine("any", uri="http://127.0.0.1:1", timeout=1)

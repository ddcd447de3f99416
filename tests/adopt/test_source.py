"""What a source is said to be, and its rows in the order of their keys."""

from __future__ import annotations

import numpy as np
import pytest
from float_collection import WIDTH, clustered, float_collection, small_pages
from plain_pymilvus import plain_client
from pymilvus import DataType, MilvusClient
from which_lite import binary_fields, half_precision

from milvus_hash.adopt.source import decode, fetch, look, sample, walk
from milvus_hash.errors import InputError, StoreError
from milvus_hash.store.connection import Connection


@pytest.fixture
def connection(backend):
    made = Connection(backend)
    yield made
    made.close()


def test_a_walk_gives_every_row_in_the_order_of_the_keys(floats, connection, monkeypatch):
    small_pages(monkeypatch, 40_000)
    found = look(connection, floats.name, "vector")
    assert (found.pk, found.kind, found.width, found.metric, found.row_bytes) == (
        "id",
        "FLOAT_VECTOR",
        WIDTH,
        "COSINE",
        256,
    )
    chunks = list(walk(connection, found, fields=["price", "name"]))
    assert len(chunks) > 3
    assert [key for chunk in chunks for key in chunk.keys] == list(range(10, 6010, 10))
    np.testing.assert_array_equal(np.concatenate([chunk.vectors for chunk in chunks]), clustered(600))
    fields = [row for chunk in chunks for row in chunk.fields]
    assert fields[7] == {"price": 7, "name": "n7"}


def test_text_keys_are_walked_in_the_order_of_their_utf8_bytes(backend, connection, monkeypatch):
    small_pages(monkeypatch, 4_000)
    keys = [f"{start}{number}" for start in "aÄ日😀 " for number in range(20)]
    if not connection.lite:
        keys += ['a"b', "it's", "back\\slash", "new\nline", "a) or (id > "]
    with float_collection(backend, text_keys=True) as made:
        made.put(keys, clustered(len(keys)))
        found = look(connection, made.name, "vector")
        walked = [key for chunk in walk(connection, found) for key in chunk.keys]
        assert walked == sorted(keys, key=str.encode)
        chunk = fetch(connection, found, keys)
        assert sorted(chunk.keys) == sorted(keys)
        rows = {key: number for number, key in enumerate(keys)}
        np.testing.assert_array_equal(chunk.vectors, clustered(len(keys))[[rows[key] for key in chunk.keys]])


@half_precision
@pytest.mark.parametrize("kind", ["FLOAT16_VECTOR", "BFLOAT16_VECTOR"])
def test_half_precision_vectors_are_read_on_milvus_lite(lite_uri, kind):
    with float_collection(lite_uri, kind=kind) as made:
        made.put(range(50), clustered(50))
        connection = Connection(lite_uri)
        found = look(connection, made.name, "vector")
        (chunk,) = walk(connection, found)
        connection.close()
        assert found.row_bytes == 2 * WIDTH
        assert chunk.vectors.dtype == np.float32
        np.testing.assert_allclose(chunk.vectors, clustered(50), rtol=2**-7)


def test_vectors_of_bytes_are_decoded_with_or_without_a_list_around_them():
    assert decode([np.int8([-3, 4]).tobytes()], "INT8_VECTOR", 2).tolist() == [[-3, 4]]
    halves = [[np.float16([0.5, -2]).tobytes()], None]
    decoded = decode(halves, "FLOAT16_VECTOR", 2)
    assert decoded[0].tolist() == [0.5, -2]
    assert np.isnan(decoded[1]).all()


def test_a_sample_is_drawn_from_all_of_the_source(floats, connection):
    found = look(connection, floats.name, "vector")
    drawn = sample(connection, found, 100)
    assert len(set(drawn)) == 100
    assert drawn == sorted(drawn)
    assert 2000 < np.mean(drawn) < 4000
    assert sample(connection, found, 100) == drawn
    assert sample(connection, found, 1000) == list(range(10, 6010, 10))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("nothing", "has no field 'nothing'; a float vector field is needed, it has vector"),
        ("price", "'price' of .* is INT64; one of FLOAT_VECTOR"),
    ],
)
def test_a_field_that_cannot_be_adopted_is_named(lite_floats, lite_uri, field, message):
    connection = Connection(lite_uri)
    with pytest.raises(InputError, match=message):
        look(connection, lite_floats.name, field)
    connection.close()


@binary_fields
def test_binary_vectors_are_codes_already(lite_uri):
    client = plain_client(lite_uri)
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("bits", DataType.BINARY_VECTOR, dim=64)
    client.create_collection("binary_source", schema=schema)
    connection = Connection(lite_uri)
    with pytest.raises(InputError, match=r"BINARY_VECTOR; one of .* is needed, it has none"):
        look(connection, "binary_source", "bits")
    connection.close()
    client.drop_collection("binary_source")
    client.close()


def test_a_source_that_is_not_there_or_not_loaded_is_said(server_uri):
    connection = Connection(server_uri)
    with pytest.raises(StoreError, match="there is no collection 'absent'"):
        look(connection, "absent", "vector")
    with float_collection(server_uri) as made:
        made.client.release_collection(made.name)
        with pytest.raises(StoreError, match=r"is not loaded \(NotLoad\): load it"):
            look(connection, made.name, "vector")
    connection.close()

"""The embedding function beside a plain MilvusClient: what it gives goes in and finds itself, unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from plain_pymilvus import plain_client
from pymilvus import DataType, MilvusClient

from milvus_hash.errors import InputError
from milvus_hash.integrations.pymilvus_model import HashEmbeddingFunction

TEXTS = ["red", "a blue bus", "green tree"]


@pytest.mark.parametrize("bits", [None, 32])
def test_codes_are_those_of_the_encoder_packed_to_bytes(tiny_encoder, bits):
    function = HashEmbeddingFunction(tiny_encoder, bits)
    expected = [code.tobytes() for code in tiny_encoder.encode_texts(TEXTS, bits=bits)]
    assert function.dim == (bits or 64)
    assert function(TEXTS) == function.encode_queries(TEXTS) == function.encode_documents(TEXTS) == expected
    assert {(type(code), len(code)) for code in expected} == {(bytes, function.dim // 8)}
    assert function([]) == []


def test_pictures_and_clips_share_the_space(video_encoder, tmp_path):
    function = HashEmbeddingFunction(video_encoder)
    red = Image.new("RGB", (20, 20), "red")
    path = tmp_path / "red.gif"
    red.save(path, save_all=True, append_images=[red])
    assert function.encode_images([red]) == function.encode_videos([path]) == function(["red"])


def test_what_cannot_be_encoded_is_named(tiny_encoder):
    function = HashEmbeddingFunction(tiny_encoder)
    with pytest.raises(InputError, match="text 1: the text is empty"):
        function(["red", " "])
    with pytest.raises(InputError, match="a list of texts is needed"):
        function.encode_queries("red")
    with pytest.raises(InputError, match="has no codes of 48 bits"):
        HashEmbeddingFunction(tiny_encoder, 48)


def test_it_serves_a_plain_client(flat_store, tiny_encoder):
    """The way that code for pymilvus.model is written: dim into the schema, vectors in, query vectors out."""
    function = HashEmbeddingFunction(tiny_encoder, 32)
    client, name = plain_client(flat_store.uri), "plain_client"
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.BINARY_VECTOR, dim=function.dim)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="BIN_FLAT", metric_type="HAMMING")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
    try:
        vectors = function.encode_documents(TEXTS)
        client.insert(name, [{"id": number, "vector": vector} for number, vector in enumerate(vectors)])
        found = client.search(name, function.encode_queries(TEXTS), limit=3)
        distances = [{row["id"]: row["distance"] for row in rows} for rows in found]
        codes = np.unpackbits(tiny_encoder.encode_texts(TEXTS, bits=32), axis=1)
        assert distances == [
            {n: float((one != other).sum()) for n, other in enumerate(codes)} for one in codes
        ]  # fmt: skip
    finally:
        client.drop_collection(name)
        client.close()

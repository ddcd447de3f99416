"""One question of several parts, and questions for a client of one's own."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from clips import animation
from PIL import Image
from plain_pymilvus import plain_client
from pymilvus import AnnSearchRequest, AsyncMilvusClient, DataType, MilvusClient, RRFRanker
from which_lite import IS_THREE, binary_fields

from milvus_hash import codes
from milvus_hash.bundle import Bundle, Modality, write_bundle
from milvus_hash.collection import CodeRow
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.question import Query

RED = Image.new("RGB", (9, 9), "red")


def unit(encoder: Encoder, modality: str, source: object, bits: int = 64) -> np.ndarray:
    logits = encoder.encode(modality, [source], bits=bits).logits[0].astype(float)
    return logits / np.linalg.norm(logits)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_part_alone_keeps_its_code(tiny_encoder, bits):
    for modality, source in (("text", "a red bus"), ("image", RED)):
        wanted = tiny_encoder.encode(modality, [source], bits=bits).codes[0]
        for part in (source, [source], (source, 3), [(source, 0.001)]):
            query = tiny_encoder.query(bits=bits, **{modality: part})
            assert query.bits == bits
            assert np.array_equal(query.code, wanted)
        without = tiny_encoder.query(bits=bits, **{modality: (source, -1)})
        assert np.array_equal(without.code, ~wanted)


@pytest.mark.parametrize("bits", [32, 64])
def test_parts_are_scaled_weighed_and_added_before_the_sign(video_encoder, bits):
    clip = animation([(255, 0, 0), (0, 0, 255)], [100, 100], "GIF")
    query = video_encoder.query(
        text=["a cat", ("a dog", 0.5), ("a bird", -0.25)], image=(RED, 2.0), video=[clip], bits=bits
    )
    total = (
        unit(video_encoder, "text", "a cat", bits)
        + 0.5 * unit(video_encoder, "text", "a dog", bits)
        - 0.25 * unit(video_encoder, "text", "a bird", bits)
        + 2.0 * unit(video_encoder, "image", RED, bits)
        + unit(video_encoder, "video", clip, bits)
    )
    assert query.logits.dtype == np.float32
    np.testing.assert_allclose(query.logits, total, atol=1e-6)
    assert np.array_equal(query.code, codes.pack(total[None])[0])
    assert np.array_equal(query.code, codes.pack(query.logits[None])[0])


def test_the_search_asks_the_composite_question(lite_store, tiny_encoder):
    collection = lite_store.create(bits=32)
    texts = ["red", "blue", "a cat", "a dog", "the house", "a tree"]
    stored = tiny_encoder.encode_texts(texts, bits=32)
    collection.add_codes(CodeRow(text, "text", 0, code) for text, code in zip(texts, stored, strict=True))
    asked = {"text": ["a cat", ("red", -0.5)], "image": [(RED, 0.7)]}
    query = tiny_encoder.query(bits=32, **asked)
    hits = collection.search(**asked, into="text")
    assert {hit.item: hit.distance for hit in hits} == dict(
        zip(texts, codes.hamming(query.code[None], stored)[0].tolist(), strict=True)
    )
    assert hits == collection.search(query=query, into="text") == collection.search_many([query], into="text")[0]
    assert hits == collection.search_codes(query.code[None], into="text")[0]


def test_without_moves_away(tiny_encoder):
    """A picture without its colour is further from the colour than the picture is."""
    for colour in ("red", "green", "yellow"):
        away = tiny_encoder.query(text=["a flower", (colour, -0.5)])
        plain = tiny_encoder.query(text="a flower")
        target = tiny_encoder.encode_texts([colour])
        distances = codes.hamming(np.stack([plain.code, away.code]), target)[:, 0]
        assert distances[0] < distances[1]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "nothing is given"),
        ({"text": []}, "text=\\[\\]: at least one is needed"),
        ({"text": ["a", ("b", 0)]}, "the weight 0"),
        ({"text": ("b", float("nan"))}, "the weight nan"),
        ({"text": [("b", float("inf"))]}, "the weight inf"),
        ({"text": [("b", True)]}, "the weight True"),
        ({"text": [("b", "2")]}, "the weight '2'"),
        ({"text": ("red", "blue")}, "the weight 'blue'"),
        ({"text": [("a", 1.0, 2.0)]}, "no pair of a source and its weight"),
        ({"text": ["red", ("red", -1)]}, "cancel out"),
        ({"text": [("red", 0.1), ("red", 0.2), ("red", -0.3)]}, "cancel out"),
        ({"text": ["a", ""]}, "text 1: .*empty"),
        ({"text": ["a", 7]}, "text 1"),
        ({"image": ["absent.png"]}, "absent.png"),
        ({"video": "clip.mp4"}, "cannot encode 'video'"),
        ({"vector": np.zeros(3, np.float32)}, "cannot encode 'vector'"),
        ({"code": bytes(8), "text": "a"}, "text and code are given"),
        ({"code": bytes(8), "query": Query(np.zeros(8, np.uint8))}, "code and query are given"),
        ({"code": bytes(7)}, "64 bits = 8 bytes are needed"),
        ({"code": "00" * 8}, "the code is a str"),
        ({"code": np.zeros(8, np.float32)}, "the code is float32"),
        ({"code": np.zeros(8, np.int64)}, "the code is int64"),
        ({"code": np.zeros(64, bool)}, "the code is bool"),
        ({"query": Query(np.zeros(4, np.uint8))}, "codes have 32 bits; 64 bits"),
        ({"query": "red"}, "str is given where a Query is needed"),
        ({"bits": 48, "text": "a"}, "no codes of 48 bits"),
    ],
)
def test_questions_that_cannot_be_made(tiny_encoder, asked, message):
    with pytest.raises(InputError, match=message):
        tiny_encoder.query(**asked)


def test_queries_that_do_not_fit_the_collection(empty_collection):
    with pytest.raises(InputError, match="codes have 32 bits; 64 bits"):
        empty_collection.search_many([Query(np.zeros(8, np.uint8)), Query(np.zeros(4, np.uint8))])
    with pytest.raises(InputError, match="bytes is given where a Query is needed"):
        empty_collection.search_many([bytes(8)])


# Questions for plain clients


@pytest.fixture(
    params=[pytest.param("lite_uri", marks=binary_fields, id="lite"), pytest.param("server_uri", id="server")]
)
def plain(request):
    """A plain client, and a collection made with it alone: integer keys, and codes in a field of another name."""
    uri, name = request.getfixturevalue(request.param), "plain_pymilvus"
    client = plain_client(uri)
    stored = np.random.default_rng(0).integers(0, 256, (50, 8), dtype=np.uint8)
    _create(client, name, {"picture_code": (DataType.BINARY_VECTOR, 64)})
    client.insert(name, [{"id": n, "picture_code": code.tobytes(), "year": n % 5} for n, code in enumerate(stored)])
    yield uri, client, name, stored
    client.drop_collection(name)
    client.close()


def _create(client: MilvusClient, name: str, vectors: dict[str, tuple[DataType, int]]) -> None:
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("year", DataType.INT64)
    index = client.prepare_index_params()
    for field, (kind, dim) in vectors.items():
        schema.add_field(field, kind, dim=dim)
        flat = ("BIN_FLAT", "HAMMING") if kind is DataType.BINARY_VECTOR else ("FLAT", "L2")
        index.add_index(field, index_type=flat[0], metric_type=flat[1])
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")


def test_a_plain_client_takes_the_question(plain, tiny_encoder):
    uri, client, name, pictures = plain
    query = tiny_encoder.query(text=["a cat", ("a dog", 0.5)])
    distances = codes.hamming(query.code[None], pictures)[0]
    odd = [n for n in range(50) if n % 5 > 2]
    search = query.to_search(None, "year > 2", limit=5, offset=3, output_fields=["year"], field="picture_code")
    (found,) = client.search(name, **search)
    assert [hit["distance"] for hit in found] == sorted(distances[odd].tolist())[3:8]
    assert all(hit["entity"] == {"year": hit["id"] % 5} for hit in found)
    (bare,) = client.search(name, **query.to_search(None, where={"year": [3, 4]}, limit=8, field="picture_code"))
    assert [hit["distance"] for hit in bare] == sorted(distances[odd].tolist())[:8]
    assert all(not hit["entity"] for hit in bare)

    async def ask() -> list:
        other = AsyncMilvusClient(uri)
        try:
            return await other.search(collection_name=name, consistency_level="Strong", **search)
        finally:
            await other.close()

    assert [hit["id"] for hit in asyncio.run(ask())[0]] == [hit["id"] for hit in found]


@binary_fields
def test_hybrid_search_over_codes_and_floats(lite_uri, tiny_encoder):
    """Reciprocal ranks over two fields of codes and one of floats, recomputed; Milvus 2.3 has one vector field only."""
    client, name = plain_client(lite_uri), "plain_hybrid"
    rng = np.random.default_rng(0)
    pictures, titles = rng.integers(0, 256, (50, 8), dtype=np.uint8), rng.integers(0, 256, (50, 4), dtype=np.uint8)
    floats = rng.standard_normal((50, 4)).astype(np.float32)
    binary = DataType.BINARY_VECTOR
    fields = {"picture_code": (binary, 64), "title_code": (binary, 32), "floats": (DataType.FLOAT_VECTOR, 4)}
    _create(client, name, fields)
    columns = zip(pictures, titles, floats, strict=True)
    client.insert(
        name,
        [
            {"id": n, "picture_code": p.tobytes(), "title_code": t.tobytes(), "floats": f.tolist(), "year": n % 5}
            for n, (p, t, f) in enumerate(columns)
        ],
    )
    long, short = tiny_encoder.query(text="a cat"), tiny_encoder.query(text="a cat", bits=32)
    requests = [
        long.to_ann_request(None, "year < 4", limit=50, field="picture_code"),
        short.to_ann_request(None, "year < 4", limit=50, field="title_code"),
        AnnSearchRequest([[0.0] * 4], "floats", {"metric_type": "L2"}, 50, expr="year < 4"),
    ]
    (found,) = client.hybrid_search(name, requests, RRFRanker(60), limit=40, consistency_level="Strong")
    some = [n for n in range(50) if n % 5 < 4]
    scores = dict.fromkeys(some, 0.0)
    for request, distances in zip(
        requests,
        (
            codes.hamming(long.code[None], pictures)[0],
            codes.hamming(short.code[None], titles)[0],
            (floats**2).sum(axis=1),
        ),
        strict=True,
    ):
        # of tied rows Milvus settles the order: take its own
        (hits,) = client.search(
            name,
            request.data,
            anns_field=request.anns_field,
            filter="year < 4",
            limit=50,
            search_params=request.param,
        )
        np.testing.assert_allclose([hit["distance"] for hit in hits], np.sort(distances[some]), rtol=1e-5)
        for rank, hit in enumerate(hits, start=1):
            scores[hit["id"]] += 1 / (60 + rank)
    np.testing.assert_allclose([hit["distance"] for hit in found], sorted(scores.values(), reverse=True), rtol=1e-5)
    client.drop_collection(name)
    client.close()


def test_to_search_finds_what_the_collection_finds(flat_store, tiny_encoder):
    collection = flat_store.create()
    texts = ["red", "blue", "a cat", "a dog"]
    stored = tiny_encoder.encode_texts(texts)
    for modality in ("text", "image"):
        collection.add_codes(CodeRow(text, modality, 0, code) for text, code in zip(texts, stored, strict=True))
    query = tiny_encoder.query(text="blue")
    client = plain_client(flat_store.uri)
    floats = IS_THREE and flat_store.uri.endswith(".db")
    asked = query.to_search("text", limit=3, floats=floats)
    (found,) = client.search(collection.name, consistency_level="Strong", **asked)
    client.close()
    hits = collection.search(query=query, into="text", limit=3)
    assert found[0]["entity"] == {"item": "blue", "modality": "text", "ordinal": 0}
    assert [hit["distance"] for hit in found] == [64 - 2 * hit.distance if floats else hit.distance for hit in hits]


def test_what_a_plain_search_refuses(tiny_encoder):
    query = tiny_encoder.query(text="red")
    for wrong, message in (
        ({"limit": 0}, "limit=0"),
        ({"limit": 16385}, "limit=16385"),
        ({"offset": -1}, "offset=-1"),
        ({"limit": 16000, "offset": 1000}, "together they may reach 16384"),
        ({"into": "sound"}, "unknown modality 'sound'"),
        ({"filter": "year > (3"}, "a parenthesis, bracket or quote is missing"),
    ):
        with pytest.raises(InputError, match=message):
            query.to_search(**wrong)
    with pytest.raises(InputError, match="limit=0"):
        query.to_ann_request(limit=0)


def test_filter_params_travel_with_the_question(tiny_encoder):
    query, asked = tiny_encoder.query(text="red"), {"filter": "year > {least}", "filter_params": {"least": 3}}
    search = query.to_search(**asked)
    assert search["filter"] == '(modality == "image") and (year > {least})'
    assert search["filter_params"] == {"least": 3}
    request = query.to_ann_request(**asked)
    assert (request.expr, request.expr_params) == (search["filter"], {"least": 3})


# Vectors


@pytest.fixture(scope="module")
def vector_encoder(tmp_path_factory) -> Encoder:
    """Four floats to sixteen bits or eight; rescoring weighs the bits otherwise than the logits do."""
    from milvus_hash.adopt.graph import write_graph
    from milvus_hash.bundle import VectorInput

    folder = tmp_path_factory.mktemp("vector")
    rng = np.random.default_rng(0)
    maps = [(rng.standard_normal((4, 16)).astype(np.float32), np.zeros(16, np.float32)) for _ in range(2)]
    write_graph(folder / "vector.onnx", unit=False, logits=maps[0], weights=maps[1])
    bundle: Bundle = write_bundle(
        folder / "bundle",
        name="vectors",
        method="random projection",
        bits=[8, 16],
        modalities={"vector": Modality("vector.onnx", VectorInput(4))},
        files={"vector.onnx": folder / "vector.onnx"},
        licence="Apache-2.0",
        trained_on="nothing",
    )
    return Encoder.load(bundle.path, threads=1)


def test_weights_are_as_long_as_the_code(vector_encoder):
    one = np.random.default_rng(1).standard_normal(4).astype(np.float32)
    whole, half = (vector_encoder.encode("vector", [one], bits=bits) for bits in (16, 8))
    assert np.array_equal(half.weights, whole.weights[:, :8])
    assert not np.array_equal(half.weights, half.logits)
    assert vector_encoder.query(vector=one, bits=8).weights.shape == (8,)


def test_vectors_are_parts_too(vector_encoder):
    rng = np.random.default_rng(1)
    one, other = rng.standard_normal((2, 4)).astype(np.float32)
    query = vector_encoder.query(vector=[one, (other, -0.5)])
    expected = unit(vector_encoder, "vector", one, 16) - 0.5 * unit(vector_encoder, "vector", other, 16)
    np.testing.assert_allclose(query.logits, expected, atol=1e-6)
    alone = vector_encoder.query(vector=one.tolist())  # a list of numbers is one vector
    assert np.array_equal(alone.code, vector_encoder.encode("vector", [one]).codes[0])
    found = vector_encoder.encode("vector", [one])
    np.testing.assert_allclose(alone.weights, found.weights[0] / np.linalg.norm(found.logits), rtol=1e-5)

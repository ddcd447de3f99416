"""Plausible mistakes of who makes and opens encoders and collections: each message names the next step."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from milvus_hash import (
    AsyncHashCollection,
    BundleError,
    Encoder,
    HashCollection,
    HashEmbeddingFunction,
    InputError,
    ProviderError,
    StoreError,
    Tls,
    switch_alias,
    tune,
    write_sheet,
)
from milvus_hash.adopt import adopt, sync
from milvus_hash.ingest import ingest

NAME = "letters, digits and underscores are needed"
KINDS = "str, int, float and bool can be declared"


def made(name: str, piece: str, kind: type[Exception] = InputError, *, called: Any = "made", **options: Any) -> Any:
    return pytest.param(called, options, kind, piece, id=name)


CREATED = [
    made("a space in the name", NAME, called="my shop"),
    made("a dash in the name", NAME, called="my-shop"),
    made("a digit first", "no digit first", called="1shop"),
    made("no name", NAME, called=""),
    made("None as name", NAME, called=None),
    made("bits of others", "it lists [32, 64]", bits=48),
    made("bits as text", "no codes of '64' bits", bits="64"),
    made("dim", "there is no argument 'dim', but 'bits'", TypeError, dim=64),
    made("url", "there is no argument 'url', but 'uri'", TypeError, url="http://localhost:19530"),
    made("host and port", "there is no argument 'host', but 'uri'", TypeError, host="localhost", port=19530),
    made("metric_type", "the arguments are name, encoder, uri", TypeError, metric_type="HAMMING"),
    made("an index of floats", "use auto, BIN_FLAT", index="IVF_FLAT"),
    made(
        "an index that Milvus Lite has not",
        "use index='BIN_FLAT', or a Milvus server",
        StoreError,
        index="BIN_IVF_FLAT",
    ),
    made("half a number of rows", "an integer from 0 on is needed", expected_rows=1e6),
    made("a list of fields", 'as in {"year": int}', fields=["year"]),
    made("a type as text", KINDS, fields={"year": "int"}),
    made("a date", f"has type date; {KINDS}", fields={"when": datetime.date}),
    made("a value for a type", KINDS, fields={"year": 2004}),
    made("a field with a space", "a name is letters, digits and underscores", fields={"my field": str}),
    made("a field of the collection's own", "rename it", fields={"item": str}),
    made("consistency in small letters", "use one of Strong, Session", consistency="strong"),
    made("a server without http", "a server is http://HOST:PORT", StoreError, uri="localhost:19530"),
    made("another scheme", "neither http(s)://HOST:PORT nor a local file", StoreError, uri="milvus://localhost:19530"),
    made("no port", "neither http(s)://HOST:PORT", StoreError, uri="http://localhost:milvus"),
    made("a port beyond all", "neither http(s)://HOST:PORT", StoreError, uri="http://localhost:195300"),
    made(
        "a token in the query", "a token is given apart from it", StoreError, uri="http://localhost:19530?token=secret"
    ),
    made("None as uri", "http(s)://HOST:PORT or a local file is needed", uri=None),
    made("a port as uri", "http(s)://HOST:PORT or a local file is needed", uri=19530),
    made("a folder that is not there", "its folder does not exist; create it first", StoreError, uri="no/where/a.db"),
    made("another suffix", "must end in .db", StoreError, uri="milvus.sqlite"),
    made("a token in parts", "a token is 'USER:PASSWORD'", token=("root", "secret")),
    made("a user alone", "user and password together", user="root"),
    made("api_key", "there is no argument 'api_key', but 'token'", TypeError, api_key="secret"),
    made("db_name", "there is no argument 'db_name', but 'db'", TypeError, db_name="shop"),
    made("no timeout", "timeout=None: seconds above 0 are needed", timeout=None),
    made("a timeout as text", "timeout='30': seconds above 0", timeout="30"),
    made("a path as tls", "Tls(ca_pem_path=...) is needed", uri="https://localhost:1", tls="ca.pem"),
]


@pytest.mark.parametrize(("called", "options", "kind", "piece"), CREATED)
def test_creating(tiny_encoder, lite_uri, refused, called, options, kind, piece, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for make in (HashCollection.create, HashCollection.open_or_create):
        with refused(kind, piece):
            make(called, tiny_encoder, **{"uri": lite_uri, **options})
    assert not list(tmp_path.iterdir())
    assert not HashCollection.exists("made", uri=lite_uri)


OTHERS: list[Any] = [
    pytest.param(
        lambda encoder, uri: HashCollection("shop", encoder, uri=uri),
        TypeError,
        "HashCollection.create() and HashCollection.open() make one",
        id="the class itself",
    ),
    pytest.param(
        lambda encoder, uri: AsyncHashCollection("shop"),
        InputError,
        "HashCollection.open(name, encoder, uri=...) gives one",
        id="the class for asyncio",
    ),
    pytest.param(
        lambda encoder, uri: HashCollection.open("shop", str(encoder.bundle.path), uri=uri),
        InputError,
        "encoder is a str: Encoder.load(path)",
        id="a path as encoder",
    ),
    pytest.param(
        lambda encoder, uri: HashCollection.open("shop", Encoder, uri=uri),
        InputError,
        "encoder is a type: Encoder.load(path)",
        id="the class as encoder",
    ),
    pytest.param(
        lambda encoder, uri: HashCollection.create(encoder, "shop", uri=uri),
        InputError,
        "Encoder.load(path)",
        id="name and encoder swapped",
    ),
    pytest.param(
        lambda encoder, uri: HashCollection.open("shop", encoder, uri),
        TypeError,
        "write consistency=..., and so on; the arguments are name, encoder, consistency, uri",
        id="the uri third",
    ),
    pytest.param(lambda encoder, uri: HashCollection.open("shop", uri=uri), TypeError, "encoder is missing", id="none"),
    pytest.param(
        lambda encoder, uri: HashCollection.exists("shop", encoder, uri=uri), TypeError, "write uri=...", id="exists"
    ),
    pytest.param(
        lambda encoder, uri: HashCollection.open("nowhere", encoder, uri=uri),
        StoreError,
        "make it, for instance with milvus-hash ingest",
        id="a collection that is not there",
    ),
    pytest.param(lambda encoder, uri: Tls("ca.pem"), InputError, "there is no such file", id="a certificate"),
    pytest.param(lambda encoder, uri: tune("shop"), InputError, "HashCollection.open(name", id="tune a name"),
    pytest.param(
        lambda encoder, uri: tune("shop", target_recall=0.9), TypeError, "but 'recall'", id="tune target_recall"
    ),
    pytest.param(lambda encoder, uri: tune("shop", recall=99), InputError, "up to 1 is needed", id="tune percent"),
    pytest.param(lambda encoder, uri: tune("shop", lists=128), InputError, "write [128]", id="tune one number"),
    pytest.param(
        lambda encoder, uri: switch_alias("shop", "shop_2", encoder, uri=uri), TypeError, "write to=...", id="alias"
    ),
    pytest.param(
        lambda encoder, uri: switch_alias("shop", to="shop_2", encoder="bundle", uri=uri),
        InputError,
        "Encoder.load(path)",
        id="alias with a path",
    ),
    pytest.param(
        lambda encoder, uri: switch_alias("shop", to="shop_2", encoder=encoder, at_least=100, uri=uri),
        InputError,
        'as in {"image": 20000}',
        id="alias with a number",
    ),
    pytest.param(
        lambda encoder, uri: adopt("shop", "vector", collection="shop", bundle_path="new", uri=uri),
        InputError,
        "name another collection for the codes",
        id="adopt into itself",
    ),
    pytest.param(
        lambda encoder, uri: adopt("shop", "vector", collection="codes", uri=uri),
        TypeError,
        "bundle_path is missing",
        id="adopt without a bundle",
    ),
    pytest.param(
        lambda encoder, uri: adopt("shop", "vector", collection="codes", bundle_path="new", fields="brand", uri=uri),
        InputError,
        "write ['brand']",
        id="adopt one field",
    ),
    pytest.param(
        lambda encoder, uri: adopt("nowhere", "vector", collection="codes", bundle_path="new", uri=uri),
        StoreError,
        "name the one with the float vectors",
        id="adopt what is not there",
    ),
    pytest.param(lambda encoder, uri: sync("codes", "bundle", uri=uri), InputError, "Encoder.load(path)", id="sync"),
    pytest.param(
        lambda encoder, uri: ingest([], "shop"), InputError, "HashCollection.open(name", id="ingest into a name"
    ),
    pytest.param(
        lambda encoder, uri: HashEmbeddingFunction("bundle"), InputError, "Encoder.load(path)", id="embedding function"
    ),
    pytest.param(lambda encoder, uri: write_sheet([], "sheet.html"), InputError, "a path is needed", id="swapped"),
    pytest.param(
        lambda encoder, uri: write_sheet("sheet.html", [("a", 1)]), InputError, "Answer(hits, text=...)", id="sheet"
    ),
    pytest.param(lambda encoder, uri: Encoder("bundle"), InputError, "Encoder.load(path) opens one", id="Encoder"),
    pytest.param(
        lambda encoder, uri: Encoder.load(encoder.bundle.path, device="cuda"), TypeError, "but 'providers'", id="device"
    ),
    pytest.param(
        lambda encoder, uri: Encoder.load(encoder.bundle.path, providers="cuda"),
        InputError,
        "write ['cuda']",
        id="text",
    ),
    pytest.param(
        lambda encoder, uri: Encoder.load(encoder.bundle.path, providers=["GPU"]), ProviderError, "available", id="GPU"
    ),
    pytest.param(
        lambda encoder, uri: Encoder.load(encoder.bundle.path, threads="2"), InputError, "from 0 on", id="threads"
    ),
    pytest.param(lambda encoder, uri: Encoder.load(None), InputError, "a path is needed", id="load None"),
    pytest.param(
        lambda encoder, uri: encoder.encode_texts("a red flower"),
        InputError,
        "a list of texts is needed: write ['a red flower']",
        id="one text",
    ),
    pytest.param(
        lambda encoder, uri: encoder.encode_texts({"a": 1}), InputError, "a list of texts is needed", id="a dict"
    ),
    pytest.param(
        lambda encoder, uri: encoder.encode_images(Path("a.png")), InputError, "a list of pictures is needed", id="path"
    ),
    pytest.param(
        lambda encoder, uri: encoder.encode_images(Image.new("RGB", (9, 9))),
        InputError,
        "a list of pictures is needed: write [value]",
        id="one image",
    ),
    pytest.param(
        lambda encoder, uri: encoder.encode_images(np.zeros((30, 20, 3), np.uint8)),
        InputError,
        "write [picture]",
        id="one array",
    ),
    pytest.param(
        lambda encoder, uri: encoder.encode(["red"], "text"), InputError, "it has image, text", id="encode swapped"
    ),
    pytest.param(lambda encoder, uri: encoder.encode("texts", ["a"]), InputError, "it has image, text", id="plural"),
    pytest.param(
        lambda encoder, uri: encoder.encode_texts(["a"], normalize=True), TypeError, "texts, bits", id="normalize"
    ),
    pytest.param(
        lambda encoder, uri: list(encoder.stream("text", ["red"])), InputError, "enumerate(sources)", id="no keys"
    ),
]


@pytest.mark.parametrize(("mistake", "kind", "piece"), OTHERS)
def test_what_is_given_as_something_else(tiny_encoder, lite_uri, refused, mistake, kind, piece):
    with refused(kind, piece):
        mistake(tiny_encoder, lite_uri)


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("nowhere", "there is no such folder"),
        ("empty", "it has no bundle.json; `milvus-hash export` writes one"),
        ("run", "run --out FOLDER` makes a bundle of it"),
        (".", "name one of the bundles in it, such as"),
        ("mine/image.onnx", "name its folder"),
        ("mine/bundle.json", "name its folder"),
        ("mine.zip", "unpack an archive"),
        ("run/checkpoint.pt", "a bundle is a folder"),
    ],
)
def test_what_is_no_bundle(tmp_path, tiny_bundle, refused, name, piece):
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"weights")
    (tmp_path / "mine").mkdir()
    for file in ("bundle.json", "image.onnx"):
        (tmp_path / "mine" / file).write_bytes((tiny_bundle / file).read_bytes())
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.write(tiny_bundle / "bundle.json")
    with refused(BundleError, "is not a bundle", piece):
        Encoder.load(tmp_path / name)


def test_opening_a_file_that_is_not_there_makes_none(tmp_path, tiny_encoder, refused):
    with refused(StoreError, "typo.db, which is not there itself"):
        HashCollection.open("shop", tiny_encoder, uri=tmp_path / "typo.db")
    assert not HashCollection.exists("shop", uri=tmp_path / "typo.db")
    assert not list(tmp_path.iterdir())


def test_an_environment_without_a_token(tiny_encoder, lite_uri):
    """``os.environ.get`` gives None."""
    with HashCollection.create("no_token", tiny_encoder, uri=lite_uri, token=None, db=None) as collection:
        collection.drop()

"""Collections in another process: pickled, they connect again from there."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError, StoreError
from milvus_hash.store.connection import Connection
from milvus_hash.store.tls import Tls


@pytest.fixture(scope="module")
def elsewhere():
    """A process of its own that has nothing of this one's memory."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def unused_encoder(tiny_bundle) -> Encoder:
    return Encoder.load(tiny_bundle, threads=1)


def look(collection: HashCollection) -> tuple[str, int]:
    hits = collection.search(code=bytes(8), limit=1)
    found = hits[0].item, collection.count()
    collection.close()
    return found


def look_awaited(collection: AsyncHashCollection) -> tuple[str, int]:
    async def search() -> tuple[str, int]:
        async with collection:
            return (await collection.search(code=bytes(8), limit=1))[0].item, await collection.count()

    return asyncio.run(search())


def write(collection: HashCollection) -> int:
    return collection.add_codes([CodeRow("b", "image", 0, bytes([255] * 8))])


def test_a_collection_of_a_server(elsewhere, server_uri, unused_encoder):
    with HashCollection.create("carried", unused_encoder, uri=server_uri, timeout=60, consistency="Strong") as made:
        made.add_codes([CodeRow("a", "image", 0, bytes(8))])
        assert elsewhere.submit(look, made).result(60) == ("a", 1)
        assert elsewhere.submit(look_awaited, AsyncHashCollection(made)).result(60) == ("a", 1)
        assert elsewhere.submit(write, made).result(60) == 1
        assert made.count() == 2
        again = pickle.loads(pickle.dumps(made))
        assert repr(again) == repr(made)
        assert again.table.connection.address == made.table.connection.address
        assert again.table.consistency.level == "Strong"
        made.drop()


def test_a_collection_of_a_local_file(elsewhere, lite_file, unused_encoder, monkeypatch):
    """The other process may have it once this one has closed it, from whatever folder."""
    monkeypatch.chdir(Path(lite_file).parent)
    made = HashCollection.create("carried", unused_encoder, uri=Path(lite_file).name)
    made.add_codes([CodeRow("a", "image", 0, bytes(8))])
    with pytest.raises(StoreError, match="is open in another process"):
        elsewhere.submit(look, made).result(60)
    made.close()
    assert elsewhere.submit(look, made).result(60) == ("a", 1)
    with HashCollection.open("carried", unused_encoder, uri=lite_file) as again:
        assert again.count() == 1


def test_a_copy_has_a_life_of_its_own(lite_store):
    made = lite_store.create()
    made.add_codes([CodeRow("a", "image", 0, bytes(8))])
    other = copy.deepcopy(made.table.connection)
    assert other.call("counting", "get_collection_stats", made.name)["row_count"] == 1
    other.close()
    assert made.count() == 1


def test_the_token_and_all_other_options_travel(tmp_path):
    certificate = tmp_path / "ca.pem"
    certificate.write_text("")
    there = Connection("https://root:s3cr3t@host:1/db", db="mine", timeout=7, tls=Tls(certificate, server_name="other"))
    data = pickle.dumps(there)
    assert pickle.loads(data).address == there.address
    assert pickle.loads(data).address.token == "root:s3cr3t"
    certificate.unlink()
    with pytest.raises(InputError, match="there is no such file"):  # once it connects, not where it is unpickled
        pickle.loads(data).call("looking", "has_collection", "any")

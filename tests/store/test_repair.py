"""A collection whose index or partitions are missing gets them again, and keeps its rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from plain_pymilvus import plain_client
from pymilvus import DataType, MilvusClient

from milvus_hash import adopt
from milvus_hash.cli import doctor
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import StoreError
from milvus_hash.health import examine
from milvus_hash.store.building import describe_index, rebuild, remember_search
from milvus_hash.store.connection import Connection
from milvus_hash.store.index import inverted_lists, with_search
from milvus_hash.store.repair import repair
from milvus_hash.tuning import tune
from milvus_hash.tuning.stored import stored_collection

ROOT = Path(__file__).parents[2]
COUNT = 2000


def rows() -> Iterator[CodeRow]:
    for n, code in enumerate(np.random.default_rng(0).integers(0, 256, (COUNT, 8), dtype=np.uint8)):
        yield CodeRow(f"{n:04}", "image", 0, code)


def lose_index(connection: Connection, name: str) -> None:
    client = connection.client
    client.release_collection(name)
    client.drop_index(name, client.describe_index(name, "code")["index_name"])


@pytest.fixture
def filled(flat_store) -> HashCollection:
    collection = flat_store.create()
    collection.add_codes(rows())
    collection.flush()
    return collection


def test_a_missing_index_is_made_by_the_doctor(filled, tiny_encoder):
    lose_index(filled.table.connection, filled.name)
    with pytest.raises(StoreError, match=f"its rows are all there: milvus-hash doctor --collection {filled.name}"):
        HashCollection.open(filled.name, tiny_encoder, uri=filled.uri)
    assert [problem.name for problem in examine(filled.name, uri=filled.uri).problems if problem.broken] == ["no index"]
    where = ["--uri", filled.uri, "--bundle", str(tiny_encoder.bundle.path), "--collection", filled.name]
    for said in ("made the index BIN_FLAT", "there was nothing to make"):
        done = CliRunner().invoke(doctor.command, [*where, "--repair"])
        found = {row["check"]: row for row in map(json.loads, done.stdout.splitlines())}
        assert (done.exit_code, found["repair"]["detail"]) == (0, said)
    with HashCollection.open(filled.name, tiny_encoder, uri=filled.uri, timeout=60) as again:
        assert again.count() == COUNT
        assert len(again.search(code=bytes(8))) == 10


def test_repair_needs_to_know_what():
    done = CliRunner().invoke(doctor.command, ["--repair"])
    assert done.exit_code == 2
    assert "--repair needs --collection" in done.stderr


def test_tune_makes_a_missing_index(filled, tiny_encoder):
    lose_index(filled.table.connection, filled.name)
    assert tune(filled, queries=20, keep_index=True).chosen.recall == 1.0  # by a collection that was open meanwhile
    lose_index(filled.table.connection, filled.name)
    connection = Connection(filled.uri, timeout=60)
    assert tune(stored_collection(connection, filled.name), queries=20, keep_index=True).chosen.recall == 1.0
    connection.close()


@pytest.fixture
def with_lists(server_uri, tiny_encoder) -> Iterator[HashCollection]:
    """On a server, tuned."""
    with HashCollection.create("repaired", tiny_encoder, uri=server_uri, timeout=60) as collection:
        collection.add_codes(rows())
        collection.flush()
        index = with_search(inverted_lists(16), {"nprobe": 3})
        rebuild(collection.table.connection, collection.name, index, lambda remark: None)
        remember_search(collection.table.connection, collection.name, index)
        yield collection
        collection.drop()


def check_as_before(name: str, encoder: Encoder, uri: str) -> None:
    with HashCollection.open(name, encoder, uri=uri, timeout=60) as again:
        assert (again.index, dict(again.table.target.exact_params)) == ("BIN_IVF_FLAT", {"nprobe": 16})
        assert dict(again.table.target.params) == {"nprobe": 3}
        assert again.count() == COUNT


def test_the_index_is_the_one_that_was_tuned(with_lists, tiny_encoder):
    lose_index(with_lists.table.connection, with_lists.name)
    assert repair(with_lists.table.connection, with_lists.name) == ["the index BIN_IVF_FLAT nlist 16"]
    check_as_before(with_lists.name, tiny_encoder, with_lists.uri)


def test_an_index_that_codes_cannot_be_searched_with_is_replaced(with_lists, tiny_encoder):
    connection, name = with_lists.table.connection, with_lists.name
    lose_index(connection, name)
    params = connection.client.prepare_index_params()
    params.add_index("code", index_type="BIN_FLAT", metric_type="JACCARD")
    connection.client.create_index(name, params)
    (problem,) = (one for one in examine(name, uri=with_lists.uri).problems if one.broken)
    assert f"doctor --collection {name} --repair" in problem.detail
    repair(connection, name)
    check_as_before(name, tiny_encoder, with_lists.uri)


def test_a_creation_that_was_killed_is_completed(with_lists, tiny_encoder):
    client = with_lists.table.connection.client
    lose_index(with_lists.table.connection, with_lists.name)
    for modality in ("video", "vector"):
        client.drop_partition(with_lists.name, modality)
    made = repair(with_lists.table.connection, with_lists.name)
    assert made[:2] == ["the partition video", "the partition vector"]
    check_as_before(with_lists.name, tiny_encoder, with_lists.uri)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_tune_that_is_ended_by_a_signal(with_lists, tiny_encoder, number):
    """The index is there again at once; or, after a kill, once it was repaired."""
    command = [sys.executable, "-m", "milvus_hash", "tune", with_lists.name, "--uri", with_lists.uri]
    process = subprocess.Popen(
        [*command, "--queries", "400", "--lists", "8", "--lists", "64"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # else as whoever runs the tests
    )
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("building BIN_IVF_FLAT"):
                break
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number), said
    if number == signal.SIGKILL:
        repair(with_lists.table.connection, with_lists.name)
        assert describe_index(with_lists.table.connection, with_lists.name)
        with HashCollection.open(with_lists.name, tiny_encoder, uri=with_lists.uri, timeout=60) as again:
            assert again.count() == COUNT
    else:
        assert "that failed" not in said, said
        check_as_before(with_lists.name, tiny_encoder, with_lists.uri)


def test_a_sidecar_gets_its_index_again(server_uri, tmp_path):
    client = plain_client(server_uri)
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=16)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_collection("floats", schema=schema, index_params=index, consistency_level="Strong")
    vectors = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    client.insert("floats", [{"id": n, "vector": vector} for n, vector in enumerate(vectors)])
    made = {"collection": "sides", "bundle_path": tmp_path / "bundle", "bits": 64, "sample": 400}
    where = {"uri": server_uri, "timeout": 60}
    adopt.adopt("floats", "vector", **made, **where)
    connection = Connection(**where)
    lose_index(connection, "sides")
    encoder = Encoder.load(tmp_path / "bundle")
    with pytest.raises(StoreError, match="milvus-hash doctor --collection sides --repair"):
        adopt.sync("sides", encoder, **where)
    assert repair(connection, "sides") == ["the index BIN_FLAT"]
    assert adopt.sync("sides", encoder, **where).unchanged == 500
    connection.close()
    for name in ("sides", "floats"):
        client.drop_collection(name)
    client.close()

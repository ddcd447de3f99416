"""Tuning on a real server and on Milvus Lite, with the collection's own rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pymilvus import DataType, MilvusClient
from which_lite import remainders

from milvus_hash.cli.tune import command
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError, StoreError
from milvus_hash.query.nearest import search_arguments
from milvus_hash.query.scope import Scope
from milvus_hash.store.building import create_index, rebuild
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.index import inverted_lists, resolve
from milvus_hash.store.schema import Provenance
from milvus_hash.tuning import tune
from milvus_hash.tuning.sample import sample
from milvus_hash.tuning.stored import stored_collection

ROWS = 5000


def clustered(count: int, seed: int = 0) -> np.ndarray:
    """Codes uint8 ``(count, 8)`` around 40 centres."""
    centres = np.random.default_rng(9).integers(0, 2, (40, 64), dtype=np.uint8)
    rng = np.random.default_rng(seed)
    bits = centres[rng.integers(0, len(centres), count)] ^ (rng.random((count, 64)) < 0.2)
    return np.packbits(bits, axis=1)


def rows(count: int = ROWS, modalities: tuple[str, ...] = ("image",)) -> Iterator[CodeRow]:
    for number, code in enumerate(clustered(count)):
        yield CodeRow(f"{number:05}", modalities[number % len(modalities)], 0, code)


@pytest.fixture(scope="module")
def on_server(server_uri: str, tiny_encoder: Encoder) -> Iterator[HashCollection]:
    """5,000 rows on a server."""
    with HashCollection.create("tuned", tiny_encoder, uri=server_uri, timeout=60) as collection:
        collection.add_codes(rows())
        collection.flush()
        yield collection
        collection.drop()


@pytest.fixture
def with_lists(on_server: HashCollection) -> HashCollection:
    """The same with an index that has to be asked hard to be exact."""
    rebuild(on_server.table.connection, on_server.name, inverted_lists(64), lambda remark: None)
    on_server.table.retarget(inverted_lists(64))
    return on_server


def recall(collection: HashCollection, codes: np.ndarray, limit: int = 10) -> float:
    """Against a brute force, of what the collection's own searches find."""
    exact = np.sort(np.bitwise_count(codes[:, None] ^ clustered(ROWS)[None]).sum(-1), axis=1)[:, limit - 1]
    answers = collection.search_codes(codes, limit=limit)
    found = [sum(hit.distance <= bound for hit in hits) for hits, bound in zip(answers, exact, strict=True)]
    return float(np.mean(found)) / limit


@pytest.mark.parametrize("wanted", [0.8, 0.95])
def test_the_effort_is_fitted_stored_and_used(with_lists: HashCollection, wanted: float):
    tuning = tune(with_lists, recall=wanted, queries=1000, keep_index=True)
    assert tuning.into == "image"
    assert tuning.queries == 500
    assert tuning.chosen.index.build == {"nlist": 64}
    nprobe = tuning.chosen.index.search["nprobe"]
    before = [point for point in tuning.points if point.index.search["nprobe"] < nprobe]
    as_fast = "the exact search takes" in tuning.remark  # which may be so among so few rows
    assert tuning.chosen == tuning.exact if as_fast else all(point.recall < wanted + 0.03 for point in before)
    assert tuning.chosen.recall >= wanted - 0.03
    with HashCollection.open(with_lists.name, with_lists.encoder, uri=with_lists.uri, timeout=60) as opened:
        for collection in (with_lists, opened):
            assert search_arguments(collection.table.target, Scope(), limit=1)["search_params"]["params"] == {
                "nprobe": nprobe
            }
            assert abs(recall(collection, clustered(500, seed=5)) - tuning.chosen.recall) < 0.03


def test_the_whole_choice_leaves_a_loaded_collection(with_lists: HashCollection):
    remarks: list[str] = []
    tuning = tune(with_lists, recall=0.9, queries=200, lists=[32], progress=remarks.append)
    assert {point.index.kind for point in tuning.points} == {"BIN_FLAT", "BIN_IVF_FLAT"}
    assert tuning.exact.recall == 1.0
    assert with_lists.index == tuning.chosen.index.kind
    with HashCollection.open(with_lists.name, with_lists.encoder, uri=with_lists.uri, timeout=60) as opened:
        assert opened.table.target == with_lists.table.target
        assert recall(opened, clustered(200, seed=5)) >= 0.85
    assert remarks


def test_stopping_puts_the_index_back(with_lists: HashCollection):
    def stop(remark: str) -> None:
        if remark.startswith("fitting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(with_lists, recall=0.9, queries=100, lists=[32], progress=stop)
    with HashCollection.open(with_lists.name, with_lists.encoder, uri=with_lists.uri, timeout=60) as opened:
        assert (opened.index, opened.table.target.exact_params["nprobe"]) == ("BIN_IVF_FLAT", 64)
        assert len(opened.search_codes(clustered(1), limit=3)[0]) == 3


def test_lite_is_exact_and_asked_across_modalities(lite_store):
    collection = lite_store.create()
    collection.add_codes(rows(3000, ("image", "image", "text")))
    tuning = tune(collection, queries=40)
    assert (tuning.into, tuning.chosen.recall, len(tuning.points)) == ("image", 1.0, 1)
    with pytest.raises(StoreError, match="1000 rows of text"):
        tune(collection, into="text", queries=40)


def test_few_rows_are_refused(lite_store):
    collection = lite_store.create()
    collection.add_codes(rows(50))
    with pytest.raises(StoreError, match="50 rows of image"):
        tune(collection)


@pytest.mark.parametrize(
    "wrong",
    [
        {"recall": 0},
        {"recall": 1.01},
        {"recall": True},
        {"recall": "0.9"},
        {"recall": float("nan")},
        {"limit": 0},
        {"limit": 16384},
        {"limit": 2.0},
        {"queries": 19},
        {"lists": [0]},
        {"into": "sound"},
    ],
    ids=str,
)
def test_arguments_that_cannot_be_used(empty_collection: HashCollection, wrong: dict):
    with pytest.raises(InputError, match=next(iter(wrong)) if "into" not in wrong else "sound"):
        tune(empty_collection, **wrong)


def test_the_sample_is_spread_over_the_collection(flat_store):
    collection = flat_store.create()
    collection.add_codes(rows(3000))
    found = collection.table.connection.run(sample(collection.table.target, 'modality == "image"', 300), Consistency())
    thirds = np.bincount([int(key[:5]) // 1000 for key in found], minlength=3)
    assert len(found) == 300
    assert thirds.min() > 40
    stored = clustered(3000)
    assert all(code == stored[int(key[:5])].tobytes() for key, code in found.items())


def test_the_command_prints_the_curve(lite_store, tmp_path: Path):
    pytest.importorskip("matplotlib")
    collection = lite_store.create()
    collection.add_codes(rows(1100))
    picture = tmp_path / "curve.png"
    options = ["--uri", lite_store.uri, "--queries", "40", "--picture", str(picture)]
    result = CliRunner().invoke(command, [collection.name, *options])
    assert result.exit_code == 0, result.output
    (row,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (row["index"], row["recall"], row["chosen"]) == ("BIN_FLAT", 1.0, True)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("uri", [pytest.param("lite_uri", marks=remainders), "server_uri"])
def test_a_collection_of_integer_keys_without_modalities(uri: str, request: pytest.FixtureRequest):
    connection = Connection(request.getfixturevalue(uri), timeout=60)
    schema = MilvusClient.create_schema(description=Provenance("tiny", "sha256:0", 64).dumps())
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("code", DataType.BINARY_VECTOR, dim=64)
    name = f"integers_{uri}"
    connection.call("creating", "create_collection", name, schema=schema)
    create_index(connection, name, resolve("auto", lite=connection.lite))
    codes = clustered(2000)
    rows = [{"id": 20 * n - 20_000, "code": code.tobytes()} for n, code in enumerate(codes)]
    connection.call("writing", "upsert", name, rows)
    tuning = tune(stored_collection(connection, name), queries=100, recall=0.9, lists=[32])
    assert tuning.into is None
    assert 40 <= tuning.queries <= 60
    assert tuning.exact.recall == 1.0
    assert stored_collection(connection, name).target.params == tuning.chosen.index.search
    connection.call("dropping", "drop_collection", name)
    connection.close()

"""What the doctor says of a collection: one line a finding, the latency as a tree."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from plain_pymilvus import plain_client

from milvus_hash.cli import doctor
from milvus_hash.cli.output import table
from milvus_hash.collection import CodeRow, HashCollection


def rows(count: int) -> list[CodeRow]:
    codes = np.random.default_rng(0).integers(0, 256, (count, 8), dtype=np.uint8)
    return [CodeRow(f"{n:04}", "image", 0, code) for n, code in enumerate(codes)]


def run(*arguments: object) -> tuple[int, dict[str, tuple[str, str]]]:
    done = CliRunner().invoke(doctor.command, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return done.exit_code, {row["check"]: (row["state"], row["detail"]) for row in found}


def test_figures_of_a_collection(flat_store, tiny_encoder):
    collection = flat_store.create()
    collection.add_codes(rows(1000))
    where = ["--uri", flat_store.uri, "--bundle", tiny_encoder.bundle.path, "--collection", collection.name]
    code, found = run(*where)
    assert code == 0
    assert found["collection"] == (
        "ok",
        f"{collection.name}: 64 bits of bundle tiny, fingerprint {tiny_encoder.fingerprint}; rows: 1,000 image",
    )
    assert found["index"] == ("ok", "BIN_FLAT, HAMMING; loaded")
    assert found["image codes"][1].startswith("of 1,000: set in 4")
    assert "0 constant bits; 0.0% repeat another code" in found["image codes"][1]
    assert f"aliases {'no' if flat_store.uri.endswith('.db') else 'yes'}" in found["features"][1]
    assert list(found)[-5:] == [
        "latency", "latency/text", "latency/image", "latency/search", "latency/search/network"
    ]  # fmt: skip
    assert all(found[check][1].split(" ms")[0].replace(".", "").isdigit() for check in list(found)[-5:])


def test_the_latency_is_a_tree_on_a_terminal(flat_store, tiny_encoder, monkeypatch):
    collection = flat_store.create()
    tables = []
    monkeypatch.setattr(
        doctor,
        "emit",
        lambda rows, columns, whole: tables.append(
            table([[get(row) for get in columns.values()] for row in rows], list(columns), width=80, whole=whole)
        ),
    )
    run("--uri", flat_store.uri, "--bundle", tiny_encoder.bundle.path, "-c", collection.name)
    branches = [line.split("  ")[0] for line in tables[0].splitlines()]
    assert branches[-6:] == ["no rows", "latency", "└ text", "└ image", "└ search", "└── network"]


def test_an_alias_an_approximate_index_and_none_in_memory(server_uri, tiny_encoder):
    client = plain_client(server_uri)
    collection = HashCollection.create("doctored", tiny_encoder, uri=server_uri, index="BIN_IVF_FLAT", timeout=60)
    where = ["--uri", server_uri, "--bundle", tiny_encoder.bundle.path, "-c"]
    try:
        client.create_alias(collection_name="doctored", alias="doctored_alias")
        code, found = run(*where, "doctored_alias")
        assert code == 0
        assert found["collection"][1].startswith("doctored_alias, an alias of doctored: 64 bits")
        assert found["index"][1] == "BIN_IVF_FLAT, nlist 1024, HAMMING; loaded"
        assert found["no rows"][0] == "note"
        client.release_collection("doctored")
        code, found = run(*where, "doctored")
        assert code == 0
        assert found["not loaded"][0] == "note"
        assert found["collection"][1].endswith("rows: not counted")
        assert "latency" not in found
    finally:
        client.drop_alias("doctored_alias")
        collection.drop()
        client.close()


@pytest.mark.parametrize("name", ["nowhere", "floats"])
def test_what_is_broken_is_exit_1(flat_store, tiny_encoder, name):
    client = plain_client(flat_store.uri)
    client.create_collection("floats", dimension=4)
    code, found = run("--uri", flat_store.uri, "--bundle", tiny_encoder.bundle.path, "-c", name)
    client.drop_collection("floats")
    client.close()
    assert code == 1
    message = "no collection: " if name == "nowhere" else "no code field: "
    assert found["collection"][0] == "broken"
    assert found["collection"][1].startswith(message)

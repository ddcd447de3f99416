"""The self-test on a real server and on Milvus Lite: what it says, and that it leaves nothing behind."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner
from which_lite import IS_THREE

from milvus_hash.cli import doctor
from milvus_hash.errors import StoreError
from milvus_hash.selftest import self_test
from milvus_hash.selftest.bench import Bench
from milvus_hash.selftest.step import Wrong
from milvus_hash.store.connection import Connection

LACKS = {
    "lite_uri": {
        "filter templates", "BIN_IVF_FLAT", "HNSW", "AUTOINDEX", "search parameters",
        *(() if IS_THREE else ("partitions", "codes in answers", "alias")),
    },
    "server_uri": {"filter templates", "HNSW"},
}  # fmt: skip


def own(uri: str) -> list[str]:
    connection = Connection(uri, timeout=60)
    try:
        return [name for name in connection.call("listing", "list_collections") if "self_test" in name]
    finally:
        connection.close()


@pytest.mark.parametrize("backend", ["lite_uri", "server_uri"])
def test_all_that_is_there_works(backend, request, tiny_encoder):
    uri = request.getfixturevalue(backend)
    where = ["--uri", uri, "--bundle", str(tiny_encoder.bundle.path), "--timeout", "60"]
    done = CliRunner().invoke(doctor.command, [*where, "--self-test"])
    report = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row for row in report if row["state"] == "failed"] == []
    assert {row["step"] for row in report if row["state"] == "not available"} == LACKS[backend]
    assert done.exit_code == 0
    assert (report[0]["step"], report[-1]["step"]) == ("versions", "drop")
    assert uri.removeprefix("http://") not in done.stdout
    assert own(uri) == []


@pytest.mark.parametrize("uri", ["lite_uri", "server_uri"])
def test_a_test_that_is_left_early_takes_its_collection_along(uri, request, tiny_encoder):
    uri = request.getfixturevalue(uri)
    steps = self_test(tiny_encoder, uri=uri, timeout=60)
    for step in steps:
        if step.step == "create":
            break
    assert len(own(uri)) == 1
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt)
    assert own(uri) == []


def test_what_killed_tests_left_is_removed_once_it_is_old(lite_uri, tiny_encoder):
    old, young = "milvus_hash_self_test_1000000000_ab12cd34", f"milvus_hash_self_test_{int(time.time())}_ab12cd34"
    connection = Connection(lite_uri)
    for name in (old, young):
        Bench(name, tiny_encoder, connection, {"uri": lite_uri}).create()
    steps = self_test(tiny_encoder, uri=lite_uri)
    assert [next(steps).state for _ in range(2)] == ["ok", "ok"]
    assert own(lite_uri) == [young]
    steps.close()
    connection.call("dropping", "drop_collection", young)
    connection.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path, tiny_encoder):
    steps = self_test(tiny_encoder, uri=str(tmp_path / "absent.db"))
    assert next(steps).state == "ok"
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_a_failed_step_without_secrets(tiny_encoder):
    where = ["--uri", "http://user:s3cr3t@127.0.0.1:1", "--bundle", str(tiny_encoder.bundle.path), "--timeout", "2"]
    done = CliRunner().invoke(doctor.command, [*where, "--self-test"])
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (row["step"], row["state"], done.exit_code) == ("versions", "failed", 1)
    assert "s3cr3t" not in done.output
    assert "127.0.0.1" not in row["detail"]


def test_wrong_answers_fail(lite_uri, tiny_encoder):
    """The collection gets rows that the test does not know of, and lacks some that it does."""
    connection = Connection(lite_uri)
    bench = Bench("milvus_hash_self_test_1_ff", tiny_encoder, connection, {"uri": lite_uri})
    bench.create()
    bench.write(bench.new_rows("known", "image", 50))
    assert bench.check_exact()
    unknown = bench.new_rows("unknown", "image", 50)
    bench.collection.add_codes(unknown)
    with pytest.raises(Wrong, match=r"'unknown/\d+', which is not among the rows"):
        bench.check_exact()
    bench.rows |= {(one.item, "image"): one for one in unknown}
    bench.rows |= {(one.item, "image"): one for one in bench.new_rows("lost", "image", 50)}
    with pytest.raises(Wrong, match="of the ten nearest rows were found"):
        bench.check_exact()
    bench.collection.drop()
    with pytest.raises(StoreError):
        bench.check_exact()
    connection.close()

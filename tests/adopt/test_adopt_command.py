"""``milvus-hash adopt``: what it prints, how it ends, and what it leaves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from float_collection import clustered

from milvus_hash.adopt import AdoptedCollection
from milvus_hash.cli import main
from milvus_hash.encoder import Encoder


@pytest.fixture
def run(lite_floats, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0):
        result = CliRunner().invoke(main, ["adopt", *arguments, "--uri", lite_floats.uri])
        assert result.exit_code == code, result.output
        return result

    return run


def test_from_a_first_look_to_searching(run, lite_floats, tmp_path):
    source = [lite_floats.name, "--vector-field", "vector", "--bits", "64"]
    tried = json.loads(run(*source, "--trial", "--sample", "300").stdout)
    assert tried["rows"] == 300
    assert tried["rescored"] > tried["raw"]
    assert list(tmp_path.iterdir()) == []
    assert not lite_floats.client.has_collection(lite_floats.codes)

    adopted = run(*source, "--field", "price")
    counts = {"added": 600, "changed": 0, "deleted": 0, "unchanged": 0, "rejected": 0}
    assert json.loads(adopted.stdout) == counts
    assert "600 rows added" in adopted.stderr
    bundle = tmp_path / f"{lite_floats.codes}.bundle"
    with AdoptedCollection.open(lite_floats.codes, Encoder.load(bundle), uri=lite_floats.uri) as collection:
        assert collection.search(clustered(600)[3], limit=1)[0].pk == 40
        assert collection.adopted.fields == ("price",)

    lite_floats.delete([10])
    synced = run("--collection", lite_floats.codes, "--sync")
    assert json.loads(synced.stdout) == counts | {"added": 0, "deleted": 1, "unchanged": 599}
    reported = json.loads(run(*source, "--report").stdout)
    assert reported["rows"] == 599
    assert (reported["vector_bytes"], reported["code_bytes"]) == (256, 8)


def test_rows_without_a_code_are_listed_and_the_exit_code_is_3(run, lite_floats, tmp_path):
    lite_floats.put([5], np.zeros((1, 64), np.float32))
    result = run(lite_floats.name, "--vector-field", "vector", "--bits", "32", "--rejects", "bad.jsonl", code=3)
    assert json.loads(result.stdout)["rejected"] == 1
    assert "1 rows were rejected; bad.jsonl lists them" in result.stderr
    assert json.loads((tmp_path / "bad.jsonl").read_text())["id"] == "5"


def test_an_interrupted_run_says_so_and_goes_on(run, lite_floats, monkeypatch):
    arguments = [lite_floats.name, "--vector-field", "vector", "--bits", "32"]
    with monkeypatch.context() as patch:
        patch.setattr("milvus_hash.cli.interrupt.Interrupt.__call__", lambda self: setattr(self, "signal", 2) or True)
        result = run(*arguments, code=130)
    assert "run the same command again to go on" in result.stderr
    assert json.loads(run(*arguments).stdout)["added"] == 600


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name SOURCE and its --vector-field"),
        (["--sync"], 2, "--sync needs --collection"),
        (["absent", "--vector-field", "vector"], 1, "there is no collection 'absent'"),
        (["SOURCE", "--vector-field", "price"], 1, "'price' of"),
        (["SOURCE", "--vector-field", "vector", "--bits", "12"], 1, "12"),
        (["SOURCE", "--collection", "absent", "--sync"], 1, "absent.bundle is not a bundle"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, lite_floats, arguments, code, message):
    given = [lite_floats.name if argument == "SOURCE" else argument for argument in arguments]
    result = run(*given, code=code)
    assert message in result.stderr
    assert "Traceback" not in result.output

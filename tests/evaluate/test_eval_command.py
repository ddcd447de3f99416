"""``eval`` with several bundles and with baselines; what it does with one bundle is tested with the other verbs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from PIL import Image
from tiny_model import COLOURS

from milvus_hash.cli import main
from milvus_hash.manifest import write_manifest
from milvus_hash.record import Record


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.jsonl"
    rows = []
    for name, colour in COLOURS.items():
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
        splits = ("query", "database", "train")
        rows.append(Record(name, str(tmp_path / f"{name}.png"), texts=(name,), labels=(name,), splits=splits))
    write_manifest(path, rows)
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["eval", *map(str, arguments), "--quiet"])


def test_two_bundles_give_one_table(tiny_bundle, other_encoder, manifest):
    done = run(tiny_bundle, other_encoder.bundle.path, manifest, "--bits", "32")
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    methods = {(line["method"], line["by"], line["bits"]) for line in lines}
    assert methods == {("tiny", "code", 32), ("other", "code", 32)}
    assert {line["task"] for line in lines} == {"image->image", "image->text", "text->image", "text->text"}


def test_baselines_are_added_and_everything_is_written(tiny_bundle, manifest, tmp_path):
    done = run(tiny_bundle, manifest, "--bits", "32", "--baselines", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    methods = {json.loads(line)["method"] for line in done.stdout.splitlines()}
    assert methods == {"tiny", "cca", "hyperplanes", "sign of tiny", "own hyperplanes of tiny"}
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["1-tiny", "comparison.json", "comparison.md", "comparison.png"]
    assert (tmp_path / "out" / "1-tiny" / "report.json").is_file()


def test_a_length_that_one_bundle_lacks_is_named(tiny_bundle, other_encoder, manifest):
    done = run(tiny_bundle, other_encoder.bundle.path, manifest, "--bits", "48")
    assert done.exit_code == 1
    assert "48" in done.output

"""``milvus-hash train``: what its options become."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from milvus_hash.cli import main
from milvus_hash.cli.train import METHODS
from milvus_hash_export import methods
from milvus_hash_export.run import load_run

TINY = ["weights=random", "image_size=32", "filters=2", "hidden=8", "embedding_dim=4", "text_length=4", "batch_size=2"]


@pytest.fixture
def manifest(tmp_path):
    rows = []
    for i, name in enumerate(("red", "blue", "red", "blue")):
        Image.new("RGB", (8, 8), name).save(tmp_path / f"{i}.png")
        rows.append({"id": f"p{i}", "image": f"{i}.png", "text": name, "labels": [name], "split": "train"})
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def run(manifest, tmp_path):
    def invoke(*args, settings=()):
        assignments = [part for setting in (*TINY, *settings) for part in ("--set", setting)]
        return CliRunner().invoke(main, ["train", str(manifest), "--out", str(tmp_path / "run"), *args, *assignments])

    return invoke


def test_the_methods_are_those_of_the_training_half():
    assert set(METHODS) == set(methods.METHODS)


def test_settings_of_every_kind_reach_the_run(run, tmp_path):
    args = ["--bits", "8,16", "--epochs", "1", "--seed", "7", "--method", "dsmhn", "--cache", str(tmp_path / "shared")]
    result = run(*args, settings=["similarity=triplet", "clip_norm=1", "views=2"])
    assert result.exit_code == 0, result.output
    config = load_run(tmp_path / "run").config
    assert (config.bits, config.epochs, config.seed, config.views, config.clip_norm) == ((8, 16), 1, 7, 2, 1.0)
    assert (config.options.similarity, config.options.filters) == ("triplet", 2)
    assert len(list((tmp_path / "shared").glob("features-*.npy"))) == 1
    assert result.stdout == ""
    assert "milvus-hash export" in result.stderr


@pytest.mark.parametrize(
    ("setting", "code", "message"),
    [
        ("hope=1", 1, "unknown setting hope; there are: accumulate"),
        ("epochs", 1, "'epochs' is not NAME=VALUE"),
        ("epochs=many", 1, "epochs is 'many'; a value of type int"),
        ("resume=true", 2, "resume is not a setting"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(run, setting, code, message):
    result = run(settings=[setting])
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_rejected_rows_are_told_by_the_exit_code(run, manifest, tmp_path):
    with manifest.open("a") as file:
        file.write('{"id": "mute", "image": "0.png", "split": "train"}\n')
    result = run("--epochs", "1", "--quiet")
    assert result.exit_code == 3
    assert result.output.startswith("1 rows were rejected;")
    assert result.output.count("\n") == 1
    assert "mute" in (tmp_path / "run" / "rejects.jsonl").read_text()

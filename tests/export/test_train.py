"""Training from manifest to run folder, on pictures drawn here."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from milvus_hash.errors import InputError
from milvus_hash.media.text import Tokenizer
from milvus_hash_export import run as run_folder
from milvus_hash_export.fit import TrainingError
from milvus_hash_export.run import load_run
from milvus_hash_export.train import train

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
TINY = {
    "weights": "random",
    "image_size": 32,
    "views": 2,
    "bits": (8, 16),
    "hidden": 16,
    "filters": 4,
    "embedding_dim": 8,
    "text_length": 8,
    "epochs": 3,
    "batch_size": 8,
    "seed": 3,
    "progress": False,
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """18 good rows, one picture that is none, one row without a text, one query row."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    rows = []
    for i in range(19):
        name = list(COLOURS)[i % 3]
        noise = generator.integers(-30, 30, (40, 30, 3))
        pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
        text = [f"a {name} sheet", f"number {i}"]
        split = "query" if i == 18 else ["database", "train"]
        rows.append({"id": f"p{i}", "image": f"{i}.png", "text": text, "labels": [name], "split": split})
    (root / "broken.png").write_bytes(b"not a picture")
    rows.insert(4, {"id": "broken", "image": "broken.png", "text": "a red x", "labels": ["red"], "split": "train"})
    rows.append({"id": "mute", "image": "0.png", "labels": ["red"], "split": "train"})
    path = root / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def finished(manifest, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, train(manifest, out, **TINY)


def state(path):
    return torch.load(path / "checkpoint.pt", weights_only=True)["method"]


def log_lines(path):
    lines = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_run_folder(finished):
    out, result = finished
    assert (result.pairs, result.rejected, result.epochs) == (18, 2, 3)
    assert np.isfinite(result.loss)
    written = {path.name for path in out.iterdir() if not path.name.startswith("features-")}
    assert written == {
        "config.json", "log.jsonl", "losses.png", "tokenizer.json", "rejects.jsonl", "checkpoint.pt",
    }  # fmt: skip
    assert [line["epoch"] for line in log_lines(out)] == [1, 2, 3]
    Image.open(out / "losses.png").verify()


def test_rejects_are_listed_with_their_reasons(finished):
    out, _ = finished
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert {r["id"]: r["reason"] for r in rejects}.keys() == {"broken", "mute"}
    assert any("not a picture" in r["reason"] for r in rejects)


def test_load_run_gives_the_trained_networks(finished):
    out, _ = finished
    run = load_run(out)
    assert (run.config.bits, run.labels, run.epochs) == ((8, 16), ("blue", "green", "red"), 3)
    trained = state(out)
    for stream, network in (("image", run.image), ("text", run.text)):
        assert not network.training
        for name, value in network.state_dict().items():
            assert torch.equal(value, trained[f"{stream}.{name}"])
    ids, mask = Tokenizer(run.tokenizer, run.config.text_length)(["a red sheet", "something unseen"])
    with torch.inference_mode():
        assert run.text(torch.from_numpy(ids), torch.from_numpy(mask)).shape == (2, 16)
        assert run.image(torch.zeros(3, 32, 32, 3, dtype=torch.uint8)).shape == (3, 16)


def test_the_tokenizer_leaves_the_length_to_the_serving_side(finished):
    settings = json.loads((finished[0] / "tokenizer.json").read_text())
    assert settings["truncation"] is None
    assert settings["padding"] is None


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_resumed_equals_uninterrupted(manifest, tmp_path, monkeypatch, unfreeze):
    settings = TINY | {"unfreeze": unfreeze, "train_embeddings": True}
    train(manifest, tmp_path / "whole", **settings)
    write = run_folder.write_checkpoint

    def interrupted(path, checkpoint):
        if checkpoint["epoch"] == 2:
            raise KeyboardInterrupt
        write(path, checkpoint)

    monkeypatch.setattr(run_folder, "write_checkpoint", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(manifest, tmp_path / "parts", **settings)
    monkeypatch.undo()
    assert load_run(tmp_path / "parts").epochs == 1
    torch.rand(5)  # the caller's random state must not matter
    train(manifest, tmp_path / "parts", resume=True, progress=False)
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert log_lines(tmp_path / "whole") == log_lines(tmp_path / "parts")


def test_the_seed_decides(manifest, finished, tmp_path):
    train(manifest, tmp_path / "same", **TINY)
    train(manifest, tmp_path / "other", **TINY | {"seed": 4})
    first = state(finished[0])
    assert all(torch.equal(value, first[name]) for name, value in state(tmp_path / "same").items())
    assert not torch.equal(state(tmp_path / "other")["image.head.layers.1.weight"], first["image.head.layers.1.weight"])


def test_bad_pictures_are_warned_of(manifest, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        train(manifest, tmp_path / "run", **TINY | {"epochs": 1})
    assert "2 rows cannot be used" in caplog.text


def test_an_infinite_loss_names_the_batch(manifest, tmp_path):
    with pytest.raises(TrainingError, match=r"epoch \d, batch \d"):
        train(manifest, tmp_path / "run", **TINY | {"learning_rate": 1e20})


def test_a_folder_that_holds_a_run_is_not_overwritten(manifest, finished):
    with pytest.raises(InputError, match="already holds a run"):
        train(manifest, finished[0], **TINY)


def test_resume_refuses_other_settings(manifest, finished):
    with pytest.raises(InputError, match="started with seed = 3, not 5"):
        train(manifest, finished[0], resume=True, seed=5, progress=False)


def test_resume_needs_a_run(manifest, tmp_path):
    with pytest.raises(InputError, match="nothing to resume"):
        train(manifest, tmp_path / "none", resume=True, progress=False)


def test_resume_refuses_another_manifest(manifest, finished):
    shorter = manifest.with_name("shorter.jsonl")
    shorter.write_text("".join(manifest.read_text().splitlines(keepends=True)[:8]))
    with pytest.raises(InputError, match="is not what"):
        train(shorter, finished[0], resume=True, progress=False)


def test_a_manifest_without_pairs_is_refused(tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"id": "a", "text": "words only", "split": "train"}\n')
    with pytest.raises(InputError, match="no row of split 'train'"):
        train(tmp_path / "texts.jsonl", tmp_path / "run", **TINY)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        load_run(tmp_path)

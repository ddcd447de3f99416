"""Training from manifest to run folder, on pictures drawn here."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from milvus_hash.bundle import ImageInput, TextInput
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


def write_rows(root, rows, name="manifest"):
    path = root / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A folder with pictures, and 18 good rows, one picture that is none, one row without a text, one query row."""
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
    return root, rows


@pytest.fixture(scope="module")
def manifest(rows):
    return write_rows(*rows)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Frozen features that the tests of this file share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def finished(manifest, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, train(manifest, out, **TINY)


def state(path, name="checkpoint"):
    return torch.load(path / f"{name}.pt", weights_only=True)["method"]


def log_lines(path):
    lines = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_run_folder(finished):
    out, result = finished
    assert (result.pairs, result.rejected, result.epochs, result.validation) == (18, 2, 3, None)
    assert np.isfinite(result.loss)
    written = {path.name for path in out.iterdir() if not path.name.startswith("features-")}
    assert written == {
        "config.json", "log.jsonl", "losses.png", "tokenizer.json", "rejects.jsonl", "checkpoint.pt",
    }  # fmt: skip
    assert [line["epoch"] for line in log_lines(out)] == [1, 2, 3]
    assert {"loss", "similarity", "pair", "labels", "balance", "rate"} < log_lines(out)[0].keys()
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
    assert run.inputs == {"image": ImageInput(32, "pad"), "text": TextInput(8)}
    trained = state(out)
    for key, prefix in (("image", "visual"), ("text", "text")):
        stream = run.streams[key]
        assert not stream.training
        for name, value in stream.state_dict().items():
            assert torch.equal(value, trained[f"{prefix}.{name}"])
    ids, mask = Tokenizer(run.tokenizer, run.config.text_length)(["a red sheet", "something unseen"])
    with torch.inference_mode():
        assert run.streams["text"](torch.from_numpy(ids), torch.from_numpy(mask)).shape == (2, 16)
        assert run.streams["image"](torch.zeros(3, 32, 32, 3, dtype=torch.uint8)).shape == (3, 16)


def test_the_tokenizer_leaves_the_length_to_the_serving_side(finished):
    settings = json.loads((finished[0] / "tokenizer.json").read_text())
    assert settings["truncation"] is None
    assert settings["padding"] is None


def interrupt_at(epoch, monkeypatch):
    write = run_folder.write_checkpoint

    def interrupted(path, checkpoint, name=run_folder.CHECKPOINT):
        if checkpoint["epoch"] == epoch and name == run_folder.CHECKPOINT:
            raise KeyboardInterrupt
        write(path, checkpoint, name)

    monkeypatch.setattr(run_folder, "write_checkpoint", interrupted)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"train_embeddings": True}, id="frozen backbone"),
        pytest.param(
            {"unfreeze": 1, "accumulate": 2, "batch_size": 4, "clip_norm": 0.5}, id="tail, accumulated, clipped"
        ),
        pytest.param({"patience": 1, "validation": 0.3, "epochs": 4, "precision": "bf16"}, id="early stop, mixed"),
    ],
)
def test_resumed_equals_uninterrupted(manifest, cache, tmp_path, monkeypatch, settings):
    settings = TINY | settings
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = train(manifest, whole, cache=cache, **settings)
    interrupt_at(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(manifest, parts, cache=cache, **settings)
    monkeypatch.undo()
    assert load_run(parts).epochs in (1, 2)
    torch.rand(5)  # the caller's random state must not matter
    result = train(manifest, parts, resume=True, cache=cache, progress=False)
    assert equal(state(whole), state(parts))
    assert log_lines(whole) == log_lines(parts)
    assert (result.epochs, result.loss, result.validation) == (expected.epochs, expected.loss, expected.validation)
    if settings.get("patience"):
        assert equal(state(whole, "best"), state(parts, "best"))


def test_a_finished_run_is_resumed_without_training(manifest, finished):
    before = (finished[0] / "checkpoint.pt").stat().st_mtime_ns
    result = train(manifest, finished[0], resume=True, progress=False)
    assert (result.epochs, result.loss) == (3, finished[1].loss)
    assert (finished[0] / "checkpoint.pt").stat().st_mtime_ns == before


def test_the_seed_decides(manifest, finished, cache, tmp_path):
    train(manifest, tmp_path / "same", cache=cache, **TINY)
    train(manifest, tmp_path / "other", **TINY | {"seed": 4})
    assert equal(state(finished[0]), state(tmp_path / "same"))
    name = "visual.head.layers.1.weight"
    assert not torch.equal(state(tmp_path / "other")[name], state(finished[0])[name])


def test_precision_accumulation_and_clipping_change_the_result_but_little(manifest, finished, cache, tmp_path):
    name = "text.head.layers.1.weight"
    exact = state(finished[0])[name]
    for i, settings in enumerate([{"precision": "bf16"}, {"clip_norm": 0.01}, {"accumulate": 2}]):
        train(manifest, tmp_path / str(i), cache=cache, **TINY | settings)
        mine = state(tmp_path / str(i))[name]
        assert not torch.equal(mine, exact)
        assert torch.isfinite(mine).all()
        assert (mine - exact).abs().max() < 0.1


def test_accumulated_batches_are_one_step_of_their_mean(manifest, cache, tmp_path):
    """One step over all 16 batches: the rate falls once, and the weights move by no more than one step of AdamW."""
    settings = TINY | {"batch_size": 2, "accumulate": 100, "epochs": 1, "weight_decay": 0.0}
    train(manifest, tmp_path / "one", cache=cache, **settings)
    train(manifest, tmp_path / "many", cache=cache, **settings | {"accumulate": 1})
    start, rate = state_before(manifest, cache, tmp_path), 2e-3
    name = "visual.head.layers.5.weight"
    moved = [(state(tmp_path / run)[name] - start[name]).abs().max().item() for run in ("one", "many")]
    assert 0 < moved[0] <= rate * 1.01
    assert moved[1] > rate * 1.5


def state_before(manifest, cache, tmp_path):
    """The weights that a run starts from: of one whose rate is as good as nothing."""
    train(manifest, tmp_path / "start", cache=cache, **TINY | {"epochs": 1, "learning_rate": 1e-30})
    return state(tmp_path / "start")


def test_full_fine_tuning_trains_the_backbone_from_pixels(manifest, tmp_path):
    out = tmp_path / "run"
    settings = TINY | {"epochs": 1, "views": 1}
    train(manifest, out, unfreeze=18, **settings)
    (features,) = out.glob("features-*.npy")
    assert (np.load(features).dtype, np.load(features).shape) == (np.uint8, (19, 1, 32, 32, 3))
    first = "visual.trunk.0.1.0.weight"  # normalisation, then the stem
    train(manifest, tmp_path / "still", unfreeze=18, learning_rate=1e-30, **settings)
    assert not torch.equal(state(out)[first], state(tmp_path / "still")[first])
    assert load_run(out).streams["image"](torch.zeros(1, 32, 32, 3, dtype=torch.uint8)).shape == (1, 16)


def test_bad_pictures_are_warned_of(manifest, cache, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        train(manifest, tmp_path / "run", cache=cache, **TINY | {"epochs": 1})
    assert "2 rows cannot be used" in caplog.text


def test_a_cache_is_shared_between_runs(manifest, cache, tmp_path):
    train(manifest, tmp_path / "run", cache=cache, **TINY | {"epochs": 1, "hidden": 8, "bits": (8,)})
    count = len(list(cache.glob("*.npy")))
    train(manifest, tmp_path / "again", cache=cache, **TINY | {"epochs": 1, "hidden": 12})
    assert len(list(cache.glob("*.npy"))) == count
    assert not list((tmp_path / "again").glob("features-*"))


def test_an_infinite_loss_names_the_batch_and_keeps_the_last_good_checkpoint(manifest, cache, tmp_path, monkeypatch):
    from milvus_hash_export.methods.dsmhn import DSMHN

    forward, calls = DSMHN.forward, []

    def broken(self, batch):
        calls.append(batch.items)
        terms = forward(self, batch)
        return terms | {"loss": terms["loss"] * torch.nan} if len(calls) == 4 else terms

    monkeypatch.setattr(DSMHN, "forward", broken)
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"the loss is nan in epoch 2, batch 2.*the batch: p") as caught:
        train(manifest, out, cache=cache, **TINY)
    names = [f"p{i}" for i in range(18)]  # the broken picture is not among the items
    assert caught.value.ids == [names[i] for i in calls[-1]]
    monkeypatch.undo()
    assert load_run(out).epochs == 1
    assert all(torch.isfinite(value).all() for value in state(out).values() if value.is_floating_point())
    assert train(manifest, out, cache=cache, resume=True, progress=False).epochs == 3


def test_a_gradient_that_is_no_number_stops_before_the_weights_are_spoilt(manifest, cache, tmp_path):
    with pytest.raises(TrainingError, match=r"is (nan|inf|-inf) in epoch \d, batch \d"):
        train(manifest, tmp_path / "run", cache=cache, **TINY | {"learning_rate": 1e20, "epochs": 5})


def test_a_folder_that_holds_a_run_is_not_overwritten(manifest, finished):
    with pytest.raises(InputError, match="already holds a run"):
        train(manifest, finished[0], **TINY)


@pytest.mark.parametrize(
    ("setting", "message"), [({"seed": 5}, "seed = 3, not 5"), ({"hidden": 5}, "hidden = 16, not 5")]
)
def test_resume_refuses_other_settings(manifest, finished, setting, message):
    with pytest.raises(InputError, match=f"started with {message}"):
        train(manifest, finished[0], resume=True, progress=False, **setting)


def test_resume_needs_a_run(manifest, tmp_path):
    with pytest.raises(InputError, match="nothing to resume"):
        train(manifest, tmp_path / "none", resume=True, progress=False)


def test_resume_refuses_another_manifest(rows, finished):
    with pytest.raises(InputError, match="is not what"):
        train(write_rows(rows[0], rows[1][:8], "shorter"), finished[0], resume=True, progress=False)


def test_a_checkpoint_of_another_method_is_refused_by_name(manifest, finished, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (out / name).write_bytes((finished[0] / name).read_bytes())
    checkpoint = torch.load(finished[0] / "checkpoint.pt", weights_only=True)
    torch.save(checkpoint | {"name": "tvdb"}, out / "checkpoint.pt")
    for use in (load_run, lambda path: train(manifest, path, resume=True, progress=False)):
        with pytest.raises(InputError, match=r"a checkpoint of method 'tvdb', and config\.json says 'dsmhn'"):
            use(out)
    checkpoint["method"].pop("visual.head.layers.5.bias")
    torch.save(checkpoint, out / "checkpoint.pt")
    with pytest.raises(InputError, match=r"does not fit its config\.json"):
        load_run(out)


def test_captions_of_any_length_and_unknown_words_only(rows, cache, tmp_path):
    root, good = rows
    odd = [dict(row) for row in good[:12] if row["id"] != "broken"]
    odd[0]["text"] = "word " * 10_000
    odd[1]["text"] = "zzzyx qqqxy"  # too rare for the vocabulary below
    odd[2]["text"] = ""
    odd[3]["text"] = "\u200b"
    result = train(write_rows(root, odd, "odd"), tmp_path / "run", **TINY | {"vocabulary": 5})
    assert np.isfinite(result.loss)
    rejects = [json.loads(line)["id"] for line in (tmp_path / "run" / "rejects.jsonl").read_text().splitlines()]
    assert odd[2]["id"] in rejects
    assert result.pairs + len(rejects) == len(odd)


def test_missing_labels_and_a_label_of_one_item(rows, tmp_path):
    root, good = rows
    some = [dict(row) for row in good[:12] if row["id"] != "broken"]
    some[0]["labels"] = ["alone"]
    for row in some[1:4]:
        row["labels"] = []
    result = train(write_rows(root, some, "some"), tmp_path / "run", **TINY)
    assert (result.pairs, result.rejected) == (11, 0)
    assert np.isfinite(result.loss)
    for row in some:
        row["labels"] = []
    result = train(write_rows(root, some, "none"), tmp_path / "none", **TINY)
    assert "labels" not in log_lines(tmp_path / "none")[0]
    assert load_run(tmp_path / "none").labels == ()


def test_a_method_that_needs_labels_refuses_a_manifest_without(rows, tmp_path):
    bare = [dict(row) | {"labels": []} for row in rows[1]]
    with pytest.raises(InputError, match="method tvdb needs labels"):
        train(write_rows(rows[0], bare, "bare"), tmp_path / "run", method="tvdb", weights="random", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_method_refuses_what_it_cannot_pair_with_texts(rows, tmp_path):
    clips = [{"id": f"c{i}", "video": f"{i}.png", "text": "x", "labels": ["a"], "split": "train"} for i in range(3)]
    with pytest.raises(InputError, match="method tvdb pairs texts with image, and these rows have video"):
        train(write_rows(rows[0], clips, "clips"), tmp_path / "run", method="tvdb", weights="random", progress=False)


def test_fp16_needs_a_gpu(manifest, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InputError, match="'fp16' needs a GPU"):
        train(manifest, tmp_path / "run", **TINY | {"precision": "fp16"})


def test_a_manifest_without_pairs_is_refused(tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"id": "a", "text": "words only", "split": "train"}\n')
    with pytest.raises(InputError, match="0 rows of split 'train'"):
        train(tmp_path / "texts.jsonl", tmp_path / "run", **TINY)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        load_run(tmp_path)
    (tmp_path / "config.json").write_text('{"config": {}}')
    with pytest.raises(InputError, match="written by another release"):
        load_run(tmp_path)

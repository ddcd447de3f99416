"""From a manifest to training pairs, and to those held out for validation."""

from __future__ import annotations

import hashlib
import json

import pytest

from milvus_hash.errors import InputError
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.data import held_out
from milvus_hash_export.prepare import read_training

PLAIN = TrainConfig()


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(name, **columns):
    return {"id": name, "image": f"{name}.png", "text": "a text", "labels": ["x"], "split": "train"} | columns


def read(path, rows, config=PLAIN):
    return read_training(write(path / "m.jsonl", rows), config)


def test_labels_of_the_whole_manifest_are_columns(tmp_path):
    rows = read(tmp_path, [row("a", labels=["y", "x"]), row("b", labels=[]), row("c", labels=["z"], split="query")])
    assert (rows.pairs.ids, rows.pairs.names, rows.rejects) == (["a", "b"], ["x", "y", "z"], [])
    assert rows.pairs.labels.tolist() == [[1, 1, 0], [0, 0, 0]]


def test_rows_that_are_no_pair_are_rejected_with_a_reason(tmp_path):
    rows = [row("a"), row("b", text=["", "good"]), row("c", text=" "), row("d", text=[]), row("e", image=None)]
    found = read(tmp_path, rows)
    assert found.pairs.ids[0] == "a"
    reasons = {r.id: r.reason for r in found.rejects}
    assert reasons["e"] == "no picture"
    assert {"c", "d"} <= reasons.keys()
    assert set(found.training_texts()) == {"a text", "good"}


def test_another_split_is_never_trained_on(tmp_path):
    rows = [
        row("a"),
        row("b"),
        row("c", split="query"),
        row("d", split=["database", "val"]),
        row("e", split="database"),
    ]
    assert read(tmp_path, rows).pairs.ids == ["a", "b"]


def test_a_source_without_splits_is_taken_whole(tmp_path):
    rows = [{k: v for k, v in row(name).items() if k != "split"} for name in "ab"]
    assert read(tmp_path, rows).pairs.ids == ["a", "b"]


def test_splits_without_train_are_refused(tmp_path):
    with pytest.raises(InputError, match="0 rows of split 'train'"):
        read(tmp_path, [row("a", split="query"), row("b", split="database")])


def test_one_pair_is_too_few_and_the_reason_is_named(tmp_path):
    with pytest.raises(InputError, match=r"1 rows of split 'train'.*1 rejected, most of them: no picture"):
        read(tmp_path, [row("a"), row("b", image=None)])


@pytest.mark.parametrize(("visual", "expected"), [("auto", ("image", ["a", "b"])), ("video", ("video", ["b", "c"]))])
def test_pictures_are_taken_where_a_row_has_one(tmp_path, visual, expected):
    rows = [row("a"), row("b", video="b.mp4"), row("c", image=None, video="c.mp4")]
    pairs = read(tmp_path, rows, TrainConfig(visual=visual)).pairs
    assert (pairs.visual, pairs.ids) == expected


def test_clips_are_taken_where_no_training_row_has_a_picture(tmp_path):
    rows = [row(name, image=None, video=f"{name}.mp4") for name in "ab"] + [row("q", split="query")]
    found = read(tmp_path, rows)
    assert found.pairs.visual == "video"
    assert [source.endswith(".mp4") for source in found.pairs.sources] == [True, True]


def test_a_method_that_needs_labels_rejects_rows_without_by_name(tmp_path):
    rows = [row("a"), row("b", labels=[]), row("c")]
    found = read(tmp_path, rows, TrainConfig(method="tvdb"))
    assert found.pairs.ids == ["a", "c"]
    assert [(r.id, r.reason) for r in found.rejects] == [("b", "no labels, and method tvdb needs labels")]
    assert read(tmp_path, rows).pairs.ids == ["a", "b", "c"]


def test_nothing_is_held_out_without_patience(tmp_path):
    found = read(tmp_path, [row(str(n)) for n in range(50)] + [row("v", split="val"), row("w", split="val")])
    assert not found.held.any()
    assert found.validation is None


def test_rows_of_split_val_validate_and_nothing_is_held_out(tmp_path):
    rows = [row("a"), row("b"), *(row(name, split="val") for name in "vw"), row("q", split="query")]
    rows.append(row("both", split=["val", "query"]))
    found = read(tmp_path, rows, TrainConfig(patience=1))
    assert found.validation.ids == ["v", "w"]
    assert not found.held.any()


def test_without_split_val_a_share_is_held_out_but_never_a_query(tmp_path):
    rows = [row(f"item {n}", split=["train", "query"] if n % 2 else "train") for n in range(200)]
    found = read(tmp_path, rows, TrainConfig(patience=1, validation=0.2))
    held = [name for name, kept in zip(found.pairs.ids, found.held, strict=True) if kept]
    assert 10 < len(held) < 40
    assert all(int(name.split()[1]) % 2 == 0 for name in held)
    assert len(list(found.training_texts())) == 200 - len(held)


def test_a_held_out_item_stays_so_when_others_come():
    few, many = [f"n{i}" for i in range(50)], [f"n{i}" for i in range(500)]
    assert held_out(few, 0.3).tolist() == held_out(many, 0.3)[:50].tolist()
    assert 0.2 < held_out(many, 0.3).mean() < 0.4


def test_a_share_is_held_out_even_of_rows_that_a_hash_has_chosen():
    """Of clipart those whose hash is small are the queries, and the others the training rows."""
    chosen = [n for n in map(str, range(1000)) if hashlib.sha256(n.encode()).digest()[0] >= 64]
    assert 0.05 < held_out(chosen, 0.1).mean() < 0.15


@pytest.mark.parametrize("split", ["train", "val"])
def test_too_few_to_validate_on_are_refused(tmp_path, split):
    rows = [row("a"), row("b"), row("v", split=split)]
    with pytest.raises(InputError, match="pairs to validate on"):
        read(tmp_path, rows, TrainConfig(patience=1, validation=0.01))

"""From a manifest to training pairs."""

from __future__ import annotations

import json

import pytest

from milvus_hash.errors import InputError
from milvus_hash_export.data import read_pairs


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(name, **columns):
    return {"id": name, "image": f"{name}.png", "text": "a text", "labels": ["x"], "split": "train"} | columns


def test_labels_of_the_whole_manifest_are_columns(tmp_path):
    rows = [row("a", labels=["y", "x"]), row("b", labels=[]), row("c", labels=["z"], split="query")]
    pairs, rejects = read_pairs(write(tmp_path / "m.jsonl", rows))
    assert (pairs.ids, pairs.names, rejects) == (["a", "b"], ["x", "y", "z"], [])
    assert pairs.labels.tolist() == [[1, 1, 0], [0, 0, 0]]


def test_rows_that_are_no_pair_are_rejected_with_a_reason(tmp_path):
    rows = [row("a"), row("b", text=["", "good"]), row("c", text=" "), row("d", text=[]), {"id": "e", "text": "words"}]
    rows[-1]["split"] = "train"
    pairs, rejects = read_pairs(write(tmp_path / "m.jsonl", rows))
    assert pairs.ids[0] == "a"
    reasons = {r.id: r.reason for r in rejects}
    assert reasons["e"] == "no picture"
    assert {"c", "d"} <= reasons.keys()
    assert all("good" in text or text == "a text" for texts in pairs.texts for text in texts)


def test_another_split_is_never_trained_on(tmp_path):
    rows = [row("a"), row("b", split="query"), row("c", split=["database", "val"]), row("d", split="database")]
    pairs, _ = read_pairs(write(tmp_path / "m.jsonl", rows))
    assert pairs.ids == ["a"]


def test_a_source_without_splits_is_taken_whole(tmp_path):
    rows = [{k: v for k, v in row(name).items() if k != "split"} for name in "ab"]
    pairs, _ = read_pairs(write(tmp_path / "m.jsonl", rows))
    assert pairs.ids == ["a", "b"]


def test_splits_without_train_are_refused(tmp_path):
    with pytest.raises(InputError, match="no row of split 'train'"):
        read_pairs(write(tmp_path / "m.jsonl", [row("a", split="query"), row("b", split="database")]))

"""The manifest's boxes: clipped, padded, and only where they would lie right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from milvus_hash.errors import InputError
from milvus_hash_export.boxes import read_boxes
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.data import Pairs

SQUASH = TrainConfig(resize="squash")


def pairs(*cells):
    names = [f"p{i}" for i in range(len(cells))]
    return Pairs(names, "image", names, [("x",)] * len(cells), np.zeros((len(cells), 0), np.uint8), [], list(cells))


def test_boxes_are_padded_to_the_most():
    boxes, notes = read_boxes(pairs([[0, 0, 0.5, 1]], None, [[0, 0, 1, 1], [0.25, 0.5, 0.75, 1]]), SQUASH)
    assert boxes.dtype == np.float32
    assert boxes.tolist() == [
        [[0, 0, 0.5, 1], [0] * 4],
        [[0] * 4, [0] * 4],
        [[0, 0, 1, 1], [0.25, 0.5, 0.75, 1]],
    ]
    assert notes == []


def test_boxes_outside_are_clipped_and_empty_ones_dropped_with_a_line():
    cell = [[-0.5, 0, 0.5, 2], [0.2, 0.2, 0.2, 0.9], [1.5, 0, 2, 1], [0, 0, 1, 1]]
    boxes, notes = read_boxes(pairs(cell, [[0, 0, 1, 1]]), SQUASH)
    assert boxes[0].tolist() == [[0, 0, 0.5, 1], [0, 0, 1, 1]]
    assert [note.id for note in notes] == ["p0"]
    assert "1 clipped" in notes[0].reason
    assert "2 dropped" in notes[0].reason
    assert "of 4" in notes[0].reason


@pytest.mark.parametrize(
    "cell",
    ["text", [1, 2, 3, 4], [[1, 2, 3]], [[0, 0, float("nan"), 1]], 7, [["a"] * 4], {"a": 1}, [[0, 0, 1, 1], [1]]],
)
def test_a_cell_that_is_no_list_of_boxes_counts_as_empty_with_a_line(cell):
    boxes, notes = read_boxes(pairs(cell, [[0, 0, 1, 1]]), SQUASH)
    assert not boxes[0].any()
    assert [note.id for note in notes] == ["p0"]
    assert "boxes ignored" in notes[0].reason


def test_a_csv_cell_holds_json():
    boxes, notes = read_boxes(pairs(json.dumps([[0, 0, 0.5, 0.5]])), SQUASH)
    assert (boxes.tolist(), notes) == ([[[0, 0, 0.5, 0.5]]], [])


def test_no_boxes_at_all():
    assert read_boxes(pairs(None, [], [[2, 2, 3, 3]]), TrainConfig())[0] is None


@pytest.mark.parametrize("settings", [{"resize": "pad"}, {"resize": "squash", "views": 2}])
def test_boxes_need_the_whole_picture_as_it_is(settings):
    with pytest.raises(InputError, match="boxes need resize 'squash' and views 1"):
        read_boxes(pairs([[0, 0, 1, 1]]), TrainConfig(**settings))

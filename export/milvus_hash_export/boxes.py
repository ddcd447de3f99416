"""The manifest's column ``boxes``: regions of each picture, as shares of its width and height.

A cell holds a list of ``[left, top, right, bottom]``, each from 0 to 1 (in CSV as JSON).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError
from milvus_hash.record import Reject
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.data import Pairs


def read_boxes(pairs: Pairs, config: TrainConfig) -> tuple[NDArray[np.float32] | None, list[Reject]]:
    """The boxes of all pairs, and what had to be changed in them; every item stays.

    Boxes are clipped to the picture, those without an area dropped, and a cell that holds something else counts as
    empty; each such item gets a line in the rejects file.

    Returns:
        float32 ``(n, k, 4)`` with ``k`` the most boxes of one item, rows of zeros at the end of the others; None where
        no item has a box. Then the lines.

    Raises:
        InputError: Pictures are resized or cropped so that the boxes would no longer be where they were.
    """
    found: list[NDArray[np.float32]] = []
    notes: list[Reject] = []
    for i, cell in enumerate(pairs.boxes):
        boxes, reason = _clean(cell)
        found.append(boxes)
        if reason:
            notes.append(pairs.reject(i, reason))
    most = max((len(boxes) for boxes in found), default=0)
    if not most:
        return None, notes
    if config.resize != "squash" or config.views != 1:
        raise InputError(
            f"the manifest has boxes, resize is {config.resize!r} and views is {config.views}; "
            "boxes need resize 'squash' and views 1, else they lie elsewhere in the network's input"
        )
    padded = np.zeros((len(found), most, 4), dtype=np.float32)
    for row, boxes in zip(padded, found, strict=True):
        row[: len(boxes)] = boxes
    return padded, notes


def _clean(cell: Any) -> tuple[NDArray[np.float32], str]:  # noqa: ANN401 (any JSON value)
    """The boxes of one cell, float32 ``(k, 4)``, and what is wrong with it."""
    nothing = np.zeros((0, 4), dtype=np.float32)
    if cell is None or (isinstance(cell, Sequence) and len(cell) == 0):
        return nothing, ""
    try:
        boxes = np.asarray(json.loads(cell) if isinstance(cell, str) else cell, dtype=np.float32)
    except (ValueError, TypeError):
        boxes = nothing[:, :0]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        return nothing, f"boxes ignored: {str(cell)[:80]} is no list of [left, top, right, bottom] from 0 to 1"
    inside = boxes.clip(0, 1)
    whole = (inside[:, 2:] > inside[:, :2]).all(axis=1)
    changes = []
    if clipped := int((inside[whole] != boxes[whole]).any(axis=1).sum()):
        changes.append(f"{clipped} clipped to the picture")
    if dropped := int((~whole).sum()):
        changes.append(f"{dropped} dropped that have no area in the picture")
    return inside[whole], f"boxes: {', '.join(changes)} (of {len(boxes)})" if changes else ""

"""A manifest becomes training pairs: pictures or clips, texts, label matrix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError
from milvus_hash.manifest import read_source
from milvus_hash.media.text import check_text
from milvus_hash.record import Record, Reject, path_of

_NOUN = {"image": "picture", "video": "clip"}


@dataclass(frozen=True, slots=True)
class Pairs:
    """Items with a picture or a clip and at least one text.

    Attributes:
        ids: Names, in the manifest's order.
        visual: ``image`` or ``video``.
        sources: Paths of the pictures or clips.
        texts: The texts of each item.
        labels: uint8 ``(n, labels)`` of 0 and 1.
        names: The labels' names, sorted.
        boxes: What the manifest's column ``boxes`` holds for each item, None where it is empty; see
            :mod:`milvus_hash_export.boxes`.
    """

    ids: list[str]
    visual: str
    sources: list[str]
    texts: list[tuple[str, ...]]
    labels: NDArray[np.uint8]
    names: list[str]
    boxes: list[Any]

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.ids)

    def keep(self, mask: NDArray[np.bool_]) -> Pairs:
        """The items where ``mask`` is true."""
        rows = np.flatnonzero(mask).tolist()
        return Pairs(
            [self.ids[i] for i in rows],
            self.visual,
            [self.sources[i] for i in rows],
            [self.texts[i] for i in rows],
            self.labels[rows],
            self.names,
            [self.boxes[i] for i in rows],
        )

    def reject(self, row: int, reason: str) -> Reject:
        """A line of the rejects file for the item at position ``row``."""
        return Reject(self.ids[row], self.sources[row], reason)


def read_records(manifest: str | Path) -> tuple[list[Record], list[Reject]]:
    """All rows of a manifest (Parquet, JSONL, CSV or a folder), and those that cannot be read.

    Raises:
        InputError: The manifest cannot be read.
    """
    records: list[Record] = []
    rejects: list[Reject] = []
    for row in read_source(manifest):
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            records.append(row)
    return records, rejects


def training_split(records: Sequence[Record]) -> str:
    """The split to train on: ``train``, but ``database`` where no row names any other.

    A source that names no split at all is taken whole: your own folder of pictures needs none to be trained on.
    """
    return "database" if all(record.splits == ("database",) for record in records) else "train"


def find_pairs(records: Sequence[Record], split: str, visual: str) -> tuple[Pairs, list[Reject]]:
    """The pairs among the ``records`` of a split, and those of its records that are none; either may be empty.

    Args:
        records: Of all splits; their labels are the columns of the label matrix.
        split: Which of them.
        visual: ``image``, ``video``, or ``auto``: pictures where any record of the split has one, else clips.
    """
    wanted = [record for record in records if split in record.splits]
    if visual == "auto":
        visual = "image" if any(r.image for r in wanted) or not any(r.video for r in wanted) else "video"
    usable: list[tuple[Record, str, tuple[str, ...]]] = []
    rejects: list[Reject] = []
    for record in wanted:
        source = path_of(record.image if visual == "image" else record.video)
        texts, reason = _texts(record)
        if not source:
            rejects.append(Reject(record.id, "", f"no {_NOUN[visual]}"))
        elif not texts:
            rejects.append(Reject(record.id, source, reason))
        else:
            usable.append((record, source, texts))
    names = sorted({label for record in records for label in record.labels})
    pairs = Pairs(
        [record.id for record, _, _ in usable],
        visual,
        [source for _, source, _ in usable],
        [texts for _, _, texts in usable],
        _label_matrix((record for record, _, _ in usable), names),
        names,
        [record.metadata.get("boxes") for record, _, _ in usable],
    )
    return pairs, rejects


def held_out(ids: Iterable[str], share: float) -> NDArray[np.bool_]:
    """Which of the items ``ids`` are held out for validation, about ``share`` of them.

    A hash of the id decides, so that an item stays on its side when others come or go. Not the plain hash, by which
    an adapter may have chosen the training rows already: of those none might be left, or all.
    """
    numbers = [int.from_bytes(hashlib.sha256(f"validation {name}".encode()).digest()[:8], "big") for name in ids]
    return np.array([number < share * 2**64 for number in numbers], dtype=bool)


def _texts(record: Record) -> tuple[tuple[str, ...], str]:
    """The texts that can be used; where there is none, why."""
    good: list[str] = []
    reason = "no text"
    for text in record.texts:
        try:
            good.append(check_text(text))
        except InputError as error:
            reason = str(error)
    return tuple(good), reason


def _label_matrix(records: Iterable[Record], names: list[str]) -> NDArray[np.uint8]:
    column = {name: i for i, name in enumerate(names)}
    rows = [[column[label] for label in record.labels] for record in records]
    matrix = np.zeros((len(rows), len(names)), dtype=np.uint8)
    for row, columns in zip(matrix, rows, strict=True):
        row[columns] = 1
    return matrix


def write_rejects(path: Path, rejects: list[Reject]) -> None:
    """Write one JSON line per reject: id, path, reason."""
    lines = [json.dumps({"id": r.id, "path": r.path, "reason": r.reason}) for r in rejects]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

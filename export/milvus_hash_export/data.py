"""A manifest becomes training pairs: pictures, tokenised texts, label matrix."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError
from milvus_hash.manifest import read_source
from milvus_hash.media.text import check_text
from milvus_hash.record import Record, Reject


@dataclass(frozen=True, slots=True)
class Pairs:
    """Items with a picture and at least one text.

    Attributes:
        ids: Names, in the manifest's order.
        images: Paths of the pictures.
        texts: The texts of each item.
        labels: uint8 ``(n, labels)`` of 0 and 1.
        names: The labels' names, sorted.
    """

    ids: list[str]
    images: list[str]
    texts: list[tuple[str, ...]]
    labels: NDArray[np.uint8]
    names: list[str]

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.ids)

    def keep(self, mask: NDArray[np.bool_]) -> Pairs:
        """The items where ``mask`` is true."""
        rows = np.flatnonzero(mask)
        return Pairs(
            [self.ids[i] for i in rows],
            [self.images[i] for i in rows],
            [self.texts[i] for i in rows],
            self.labels[rows],
            self.names,
        )


def read_pairs(manifest: str | Path, split: str = "train") -> tuple[Pairs, list[Reject]]:
    """The pairs of one split of a manifest (or folder), and the rows that cannot be used.

    Args:
        manifest: Parquet, JSONL, CSV or a folder.
        split: Rows of this split are taken. A source where no row names it is taken whole, if it names no split
            at all: your own folder of pictures needs no splits to be trained on.

    Raises:
        InputError: The manifest cannot be read, or no row of the split has both a picture and a text.
    """
    records: list[Record] = []
    rejects: list[Reject] = []
    for row in read_source(manifest):
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            records.append(row)
    if not any(split in r.splits for r in records) and all(r.splits == ("database",) for r in records):
        split = "database"
    usable: list[tuple[Record, str, tuple[str, ...]]] = []
    for record in records:
        if split not in record.splits:
            continue
        texts, reason = _texts(record)
        if record.image is None:
            rejects.append(Reject(record.id, "", "no picture"))
        elif not texts:
            rejects.append(Reject(record.id, record.image, reason))
        else:
            usable.append((record, record.image, texts))
    if not usable:
        raise InputError(
            f"{manifest} has no row of split {split!r} with a picture and a text "
            f"({len(records)} rows read, {len(rejects)} rejected)"
        )
    names = sorted({label for record in records for label in record.labels})
    labels = _label_matrix((record for record, _, _ in usable), names)
    ids = [record.id for record, _, _ in usable]
    return Pairs(ids, [image for _, image, _ in usable], [t for _, _, t in usable], labels, names), rejects


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

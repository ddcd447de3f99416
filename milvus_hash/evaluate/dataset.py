"""What an evaluation asks and searches: the splits of a manifest, each item encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import Codes
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.evaluate.contents import same_files, same_texts
from milvus_hash.manifest import read_source
from milvus_hash.record import Record, Reject

Progress: TypeAlias = Callable[[str, int], None]
"""Called after each item with its modality and the number of items done of it."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """The rows of a manifest that an evaluation needs.

    Attributes:
        path: The manifest.
        records: Its rows, without those of other splits.
        query: Bool ``(n,)``: which of them are asked; a row may be in several splits.
        database: Which are searched by label; maybe none.
        train: Which baselines are fitted on; none unless they were asked for.
        labels: Multi-hot, bool ``(n, labels)``.
        rejects: Rows that could not be read.
    """

    path: str
    records: Sequence[Record]
    query: NDArray[np.bool_]
    database: NDArray[np.bool_]
    train: NDArray[np.bool_]
    labels: NDArray[np.bool_]
    rejects: tuple[Reject, ...]

    @property
    def searched(self) -> NDArray[np.bool_]:
        """Bool ``(n,)``: the database, or the queries where there is none, as one to one they are searched."""
        return self.database if self.database.any() else self.query


@dataclass(frozen=True, slots=True)
class EncodedSet:
    """Codes of one modality, a row for each picture or text.

    Attributes:
        items: int64 ``(n,)``: the position in ``EvaluationSet.records`` of the record behind each row.
        contents: int64 ``(n,)``: the same number for the same text, picture or clip.
        codes: uint8 ``(n, bits // 8)``.
        vectors: float32 ``(n, width)`` by name: ``logits`` and outputs of the graph, as far as they are needed.
    """

    items: NDArray[np.int64]
    contents: NDArray[np.int64]
    codes: Codes
    vectors: Mapping[str, NDArray[np.float32]]

    def of(self, split: NDArray[np.bool_]) -> EncodedSet:
        """The rows whose records are in ``split``, bool ``(records,)``."""
        return self.take(split[self.items])

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> EncodedSet:
        """Some of the rows, by a mask or by their positions."""
        vectors = {name: values[rows] for name, values in self.vectors.items()}
        return EncodedSet(self.items[rows], self.contents[rows], self.codes[rows], vectors)


def read_evaluation_set(manifest: Path | str, *, train: bool = False) -> EvaluationSet:
    """Read the splits ``query`` and ``database``, and ``train`` if that is asked for.

    Without a row in ``database`` there is nothing that labels could find; the pairs of ``query`` need no other split.

    Raises:
        InputError: The manifest cannot be read, or the split ``query``, or ``train`` where it is asked for, is empty.
    """
    splits = ("query", "database", "train") if train else ("query", "database")
    records: list[Record] = []
    rejects: list[Reject] = []
    for row in read_source(manifest):
        if isinstance(row, Reject):
            rejects.append(row)
        elif not set(splits).isdisjoint(row.splits):
            records.append(row)
    member = {
        split: np.array([split in splits and split in record.splits for record in records], dtype=np.bool_)
        for split in ("query", "database", "train")
    }
    for split in (split for split in splits if split != "database"):
        if not member[split].any():
            raise InputError(
                f"{manifest} has no row in the split {split!r}, which this evaluation needs; a row's column 'split' "
                "says which it is in, 'database' where there is none"
            )
    return EvaluationSet(str(manifest), records, **member, labels=_multi_hot(records), rejects=tuple(rejects))


def _multi_hot(records: Sequence[Record]) -> NDArray[np.bool_]:
    column = {label: n for n, label in enumerate(sorted({label for record in records for label in record.labels}))}
    out = np.zeros((len(records), len(column)), dtype=np.bool_)
    for row, record in enumerate(records):
        out[row, [column[label] for label in record.labels]] = True
    return out


def encode(
    encoder: Encoder,
    modality: str,
    data: EvaluationSet,
    rejects: list[Reject],
    *,
    vectors: Sequence[str] = (),
    progress: Progress | None = None,
) -> EncodedSet:
    """Encode one modality of all records at full length; what cannot be encoded goes to ``rejects``.

    A record with several texts gives several rows. Memory is that of the result: 4 bytes a number of ``vectors``
    (``logits`` and outputs of the graph) for each row.
    """
    items: list[int] = []
    kept: list[str] = []
    codes: list[NDArray[np.uint8]] = []
    floats: dict[str, list[NDArray[np.float32]]] = {name: [] for name in vectors}
    outputs = [name for name in vectors if name != "logits"]
    sources = _sources(modality, data.records)
    for done, row in enumerate(encoder.stream(modality, sources, vectors=outputs), start=1):
        item, source = row.key
        if row.code is None or row.logits is None:
            rejects.append(Reject(data.records[item].id, "" if modality == "text" else source, str(row.error)))
        else:
            items.append(item)
            kept.append(source)
            codes.append(row.code)
            for name, values in floats.items():
                values.append(row.logits if name == "logits" else row.vectors[name])
        if progress is not None:
            progress(modality, done)
    return EncodedSet(
        np.array(items, dtype=np.int64),
        same_texts(kept) if modality == "text" else same_files(kept),
        np.stack(codes) if codes else np.empty((0, encoder.bits // 8), dtype=np.uint8),
        {name: np.stack(values) if values else np.empty((0, 0), np.float32) for name, values in floats.items()},
    )


def _sources(modality: str, records: Sequence[Record]) -> Iterator[tuple[tuple[int, str], str]]:
    for index, record in enumerate(records):
        if modality == "text":
            yield from (((index, text), text) for text in record.texts)
        elif (path := record.files.get(modality)) is not None:
            yield (index, path), path

"""The two sides of an evaluation: which items are asked, which are searched, and their codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import Codes
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.manifest import read_source
from milvus_hash.record import Record, Reject


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """The ``query`` and ``database`` splits of a manifest; an item may be in both."""

    query: list[Record] = field(default_factory=list)
    database: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def label_names(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted({label for record in [*self.query, *self.database] for label in record.labels})

    def multi_hot(self, records: Sequence[Record]) -> NDArray[np.bool_]:
        """The labels of ``records`` as bool ``(n, labels)``."""
        column = {label: index for index, label in enumerate(self.label_names)}
        out = np.zeros((len(records), len(column)), dtype=np.bool_)
        for row, record in enumerate(records):
            out[row, [column[label] for label in record.labels]] = True
        return out


@dataclass(frozen=True, slots=True)
class EncodedSet:
    """Codes ``uint8 (n, bits // 8)`` and, for each, the position ``int64 (n,)`` of its record in the split."""

    codes: Codes
    items: NDArray[np.int64]


def read_evaluation_set(manifest: Path | str) -> EvaluationSet:
    """Read both splits of a manifest; other splits are passed over.

    Raises:
        InputError: The manifest cannot be read, or one of the splits is empty.
    """
    data = EvaluationSet()
    for row in read_source(manifest):
        if isinstance(row, Reject):
            data.rejects.append(row)
            continue
        if "query" in row.splits:
            data.query.append(row)
        if "database" in row.splits:
            data.database.append(row)
    for name, records in (("query", data.query), ("database", data.database)):
        if not records:
            raise InputError(f"{manifest} has no row in the split {name!r}; evaluation needs 'query' and 'database'")
    return data


def encode_split(
    encoder: Encoder,
    modality: str,
    records: Sequence[Record],
    rejects: list[Reject],
    progress: Callable[[str, int], None] | None = None,
) -> EncodedSet:
    """Encode one modality of ``records`` at full length; what cannot be encoded goes to ``rejects``.

    A record with several texts gives several codes.
    """
    codes: list[NDArray[np.uint8]] = []
    items: list[int] = []
    for done, result in enumerate(encoder.stream(modality, _sources(modality, records)), start=1):
        if result.code is None:
            record = records[result.key]
            path = (record.image if modality == "image" else None) or ""
            rejects.append(Reject(record.id, path, str(result.error)))
        else:
            codes.append(result.code)
            items.append(result.key)
        if progress is not None:
            progress(modality, done)
    matrix = np.stack(codes) if codes else np.empty((0, encoder.bits // 8), dtype=np.uint8)
    return EncodedSet(matrix, np.array(items, dtype=np.int64))


def _sources(modality: str, records: Sequence[Record]) -> Iterator[tuple[int, str]]:
    for index, record in enumerate(records):
        if modality == "text":
            yield from ((index, text) for text in record.texts)
        elif record.image is not None:
            yield index, record.image

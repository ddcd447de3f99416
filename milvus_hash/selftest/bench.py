"""The collection that a self-test works on, and what should be in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from milvus_hash.codes import Codes, hamming
from milvus_hash.collection import HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.names import ModalityName
from milvus_hash.query.hits import Hit
from milvus_hash.selftest.step import expect
from milvus_hash.store.address import ConnectionOptions
from milvus_hash.store.connection import Connection
from milvus_hash.store.rows import CodeRow

QUESTIONS = 20
_CENTRES = 30


class Bench:
    """A collection under test beside a copy of its rows in memory.

    Attributes:
        name: Of the collection.
        where: Which Milvus.
        encoder: The bundle that the collection names as its maker; it encodes nothing here.
        connection: To that Milvus.
        features: What it has, by its version; empty where it does not tell one.
        rows: What the collection should hold, by (item, modality).
    """

    def __init__(self, name: str, encoder: Encoder, connection: Connection, where: ConnectionOptions) -> None:
        self.name = name
        self.where = where
        self.encoder = encoder
        self.connection = connection
        self.features: dict[str, bool] = {}
        self.rows: dict[tuple[str, str], CodeRow] = {}
        self._collection: HashCollection | None = None
        self._random = np.random.default_rng(0)
        self._centres = self._random.integers(0, 2, (_CENTRES, encoder.bits), dtype=np.uint8)

    @property
    def collection(self) -> HashCollection:
        """It, open."""
        if self._collection is None:
            self._collection = HashCollection.open(self.name, self.encoder, **self.where)
        return self._collection

    def create(self) -> None:
        """Make the collection."""
        self._collection = HashCollection.create(
            self.name, self.encoder, index="BIN_FLAT", fields={"shade": int}, **self.where
        )

    def close(self) -> None:
        """Close the collection; the next use opens it again, as it is then."""
        collection, self._collection = self._collection, None
        if collection is not None:
            collection.close()

    def codes(self, count: int) -> Codes:
        """Fresh codes ``uint8 (count, bits // 8)``, in clusters as codes of real things are."""
        near = self._centres[self._random.integers(0, _CENTRES, count)]
        return np.packbits(near ^ (self._random.random(near.shape) < 0.15), axis=1)

    def new_rows(self, prefix: str, modality: ModalityName, count: int) -> list[CodeRow]:
        """Fresh rows, not written yet."""
        codes = self.codes(count)
        return [
            CodeRow(f"{prefix}/{n:05}", modality, 0, code, {"shade": n % 7, "tag": f"t{n % 5}"})
            for n, code in enumerate(codes)
        ]

    def write(self, rows: Sequence[CodeRow]) -> None:
        """Write rows, here and there."""
        self.collection.add_codes(rows)
        self.rows |= {(row.item, row.modality): row for row in rows}

    def of(self, modality: str) -> list[CodeRow]:
        """The rows of a modality."""
        return [row for row in self.rows.values() if row.modality == modality]

    def check_search(
        self,
        into: ModalityName = "image",
        *,
        rows: Sequence[CodeRow] | None = None,
        **options: Any,  # noqa: ANN401 (of a search)
    ) -> float:
        """Search for fresh codes and compare with brute force; every hit's distance must be right.

        Args:
            into: The modality to search.
            rows: Those that the options leave to be found; all of the modality when absent.
            options: Of :meth:`HashCollection.search_codes`.

        Returns:
            The share of the ten nearest that was found.

        Raises:
            Wrong: A distance is wrong, or too few rows come back.
        """
        rows = self.of(into) if rows is None else rows
        questions = self.codes(QUESTIONS)
        distances = self.distances(questions, rows)
        answers = self.collection.search_codes(questions, into=into, limit=10, **options)
        wanted = min(10, len(rows))
        found = 0
        for near, hits in zip(distances, answers, strict=True):
            expect(len(hits) >= wanted, f"a search gave {len(hits)} rows of {wanted}")
            self._check_distances(hits, near, rows)
            bound = np.sort(near)[wanted - 1]
            found += sum(hit.distance <= bound for hit in hits[:wanted])
        return found / (wanted * len(questions))

    def check_exact(self, into: ModalityName = "image", **options: Any) -> str:  # noqa: ANN401 (as check_search)
        """As :meth:`check_search`, of which nothing may be missing."""
        recall = self.check_search(into, **options)
        expect(recall == 1.0, f"only {recall:.3f} of the ten nearest rows were found")
        return f"{QUESTIONS} questions, as brute force finds it"

    def distances(self, questions: Codes, rows: Sequence[CodeRow]) -> np.ndarray:
        """Hamming distances ``(questions, rows)`` by brute force."""
        return hamming(questions, np.stack([np.frombuffer(bytes(row.code), dtype=np.uint8) for row in rows]))

    def _check_distances(self, hits: Sequence[Hit], near: np.ndarray, rows: Sequence[CodeRow]) -> None:
        true = {row.item: int(distance) for row, distance in zip(rows, near, strict=True)}
        for hit in hits:
            expect(hit.item in true, f"a search found {hit.item!r}, which is not among the rows it is about")
            right = true[hit.item]
            expect(hit.distance == right, f"{hit.item!r} is at distance {right}, the search says {hit.distance}")

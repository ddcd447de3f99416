"""Recall and time of searches, against an exact answer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milvus_hash.query.nearest import nearest
from milvus_hash.query.scope import Row, Scope
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.table import Table
from milvus_hash.store.target import Key

_AT_ONCE = 50  # queries in one call: an exact search of ten million rows takes some 30 ms for each of them
_TIMED = 50  # single queries of which the median is taken


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """Queries with what an exact search says of them.

    Attributes:
        codes: Their codes uint8 ``(q, bits // 8)``.
        own: The row that a query is, and that does not count as its answer; None where it is another modality.
        bounds: Distance of the last exact row int ``(q,)``.
        counts: Number of exact rows int ``(q,)``: the limit, or what there is.
    """

    codes: NDArray[np.uint8]
    own: Sequence[Key | None]
    bounds: NDArray[np.int64]
    counts: NDArray[np.int64]

    def part(self, chosen: slice) -> Probes:
        """Some of them."""
        return Probes(self.codes[chosen], self.own[chosen], self.bounds[chosen], self.counts[chosen])


class Ruler:
    """Measures searches of one collection.

    Attributes:
        limit: Rows per search.
    """

    def __init__(self, table: Table, into: str | None, limit: int) -> None:
        self.limit = limit
        self._table = table
        self._into = into
        self._consistency = Consistency("Session")

    def ask(self, codes: NDArray[np.uint8], own: Sequence[Key | None], exact: Mapping[str, int]) -> Probes:
        """The queries with their exact answers, which search parameters ``exact`` give; those without any are left out.

        Raises:
            StoreError: Milvus failed.
        """
        distances = [[row.distance for row in rows] for rows in self._find(codes, own, exact)]
        kept = [number for number, found in enumerate(distances) if found]
        return Probes(
            codes[kept],
            [own[number] for number in kept],
            np.array([distances[number][-1] for number in kept], dtype=np.int64),
            np.array([len(distances[number]) for number in kept], dtype=np.int64),
        )

    def recalls(self, probes: Probes, params: Mapping[str, int]) -> NDArray[np.float64]:
        """Recall of every query float ``(q,)``: rows no farther than the last exact one, over the exact ones."""
        found = self._find(probes.codes, probes.own, params)
        near = [sum(row.distance <= bound for row in rows) for rows, bound in zip(found, probes.bounds, strict=True)]
        return np.array(near, dtype=np.float64) / probes.counts

    def milliseconds(self, probes: Probes, ways: Sequence[Mapping[str, int]]) -> list[float]:
        """Median time of a search with one query, for each of several search parameters.

        They take turns, so that what else the server does meanwhile falls on all of them alike.
        """
        times: list[list[float]] = [[] for _ in ways]
        for code in probes.codes[:_TIMED]:
            for params, taken in zip(ways, times, strict=True):
                started = time.perf_counter()
                self._run(code[None], self.limit, params)
                taken.append(time.perf_counter() - started)
        return [round(1000 * statistics.median(taken), 3) for taken in times]

    def _find(self, codes: NDArray[np.uint8], own: Sequence[Key | None], params: Mapping[str, int]) -> list[list[Row]]:
        one_more = self.limit + any(key is not None for key in own)  # the query itself is among the rows
        found: list[list[Row]] = []
        for start in range(0, len(codes), _AT_ONCE):
            found += self._run(codes[start : start + _AT_ONCE], one_more, params)
        return [[row for row in rows if row.pk != key][: self.limit] for rows, key in zip(found, own, strict=True)]

    def _run(self, codes: NDArray[np.uint8], limit: int, params: Mapping[str, int]) -> list[list[Row]]:
        scope = Scope(modality=self._into, params=params)
        return self._table.run(nearest(self._table.target, codes, scope, limit=limit), self._consistency)

"""Fit the index of a collection to a wanted recall.

Rows of the collection ask: half of them choose the effort, the other half say what that choice is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from milvus_hash.arguments import check_collection, listed, plain
from milvus_hash.errors import InputError, StoreError
from milvus_hash.names import ModalityName
from milvus_hash.query.filters import of_modality
from milvus_hash.query.scope import MAX_LIMIT
from milvus_hash.store.building import (
    describe_index,
    kept_searchable,
    rebuild,
    remember_search,
    wait_until_built,
    wait_until_served,
)
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.index import Index, index_of, inverted_lists, lists_to_try, with_search
from milvus_hash.store.repair import repair
from milvus_hash.store.table import Table
from milvus_hash.store.target import Key
from milvus_hash.tuning.fit import curve, fit, point
from milvus_hash.tuning.look import Look, look
from milvus_hash.tuning.measure import Probes, Ruler
from milvus_hash.tuning.result import Point, Tuning
from milvus_hash.tuning.sample import sample

_FLUSH_SECONDS = 600.0
_FEW = 20_000  # rows that a server looks at in a tenth of a millisecond, far less than a call takes
_WORTH = 1.2  # times as fast an approximate search has to be to be preferred: less is within what measuring tells

Say = Callable[[str], None]


class Tunable(Protocol):
    """What holds a collection that can be tuned: a ``HashCollection`` or an ``AdoptedCollection``."""

    table: Table


@plain
def tune(
    collection: Tunable | Table,
    *,
    recall: float = 0.99,
    limit: int = 10,
    into: ModalityName | None = None,
    queries: int = 2000,
    keep_index: bool = False,
    lists: Sequence[int] | None = None,
    progress: Say | None = None,
) -> Tuning:
    """Choose index and effort for ``recall``, and store the choice with the collection: searches use it from then on.

    On a server the index is built anew, with two numbers of lists, and searches of all clients fail meanwhile, for
    seconds to minutes; ``keep_index`` leaves the index alone and fits the effort only. BIN_FLAT is kept where it is
    hardly slower, and up to 20,000 rows. An HNSW index stays HNSW. Milvus Lite is always exact: it is measured, and
    nothing changes.

    Args:
        collection: What to tune. Its own searches use the choice at once; others, once they open it again.
        recall: Share of the exact answer that searches are to find, above 0 and up to 1.
        limit: Rows per search, 1 to 16383; recall depends on it.
        into: The modality to search; the one with the most rows when absent. It is asked with rows of the other
            modalities, or with its own where there are none.
        queries: Rows to ask with, from 20 on. A recall is known to about ``1 / sqrt(2500 * queries)``, some 0.0005 to
            0.005: half of them are held out.
        keep_index: Whether the index must stay as it is.
        lists: Numbers of lists to build BIN_IVF_FLAT with, each of which takes its time, 1 to 65536; two that suit
            the number of rows when absent.
        progress: Takes remarks on what is being done.

    Raises:
        InputError: An argument cannot be used.
        StoreError: There are too few rows, the index is AUTOINDEX, or Milvus failed; the collection has the index that
            it had, and is loaded. Where the process is killed, or Milvus stays away, the next call makes it again.

    Example:
        >>> import tempfile
        >>> from milvus_hash import CodeRow, Encoder, HashCollection
        >>> from milvus_hash.bundle import starter_path
        >>> encoder = Encoder.load(starter_path())
        >>> codes = np.random.default_rng(0).integers(0, 256, (2000, encoder.bits // 8), dtype=np.uint8)
        >>> with HashCollection.create("demo", encoder, uri=tempfile.mkdtemp() + "/demo.db") as demo:
        ...     _ = demo.add_codes(CodeRow(str(n), "image", 0, code) for n, code in enumerate(codes))
        ...     tune(demo, recall=0.95, queries=20).chosen.recall
        1.0
    """
    lists = None if lists is None else listed("lists", lists, "numbers")
    _check(recall, limit, queries, lists or ())
    if not isinstance(collection, Table):
        check_collection(collection, has="table")
    table = collection if isinstance(collection, Table) else collection.table
    connection = table.connection
    if not describe_index(connection, table.name):
        repair(connection, table.name)
        table.retarget(index_of(describe_index(connection, table.name)))
    if table.target.index == "AUTOINDEX":
        raise StoreError(f"{table.name!r} has AUTOINDEX, which takes no parameters: there is nothing to tune")
    say = progress or (lambda remark: None)
    asked = look(table, into)
    asking = f"rows of modality {' and '.join(asked.asking)}" if asked.asking else "some of them"
    say(f"{asked.rows:,} rows{f' of modality {asked.into}' if asked.into else ''} to search, {asking} as queries")
    run = _Run(table, asked, float(recall), int(limit), int(queries), say)
    tuning = run.exact_only() if connection.lite else run.kept() if keep_index else run.rebuilt(lists)
    table.retarget(tuning.chosen.index)
    return tuning


def _check(recall: float, limit: int, queries: int, lists: Sequence[int]) -> None:
    if isinstance(recall, bool) or not isinstance(recall, (int, float)) or not 0 < recall <= 1:
        raise InputError(f"recall={recall!r}: a number above 0 and up to 1 is needed")
    whole = [("limit", limit, 1, MAX_LIMIT - 1), ("queries", queries, 20, 100_000)]
    for name, value, least, most in (*whole, *(("lists", number, 1, 65_536) for number in lists)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= value <= most:
            raise InputError(f"{name}={value!r}: an integer from {least} to {most} is needed")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of :func:`tune`."""

    table: Table
    asked: Look
    recall: float
    limit: int
    queries: int
    say: Say

    def exact_only(self) -> Tuning:
        """Milvus Lite: one way to search, nothing to store."""
        _, held = self._probes(self.table.target.exact_params)
        exact = point(self._ruler(), held, Index("BIN_FLAT"))
        return self._tuning(exact, exact, (exact,), held, "Milvus Lite is always exact: nothing to choose")

    def kept(self) -> Tuning:
        """The index stays; how hard it looks is fitted."""
        index = self._flushed()
        if index.kind != "BIN_FLAT":  # which Milvus serves from the rows themselves
            wait_until_served(self.table.connection, self.table.name)
        fitting, held = self._probes(index.exact)
        exact = point(self._ruler(), held, with_search(index, index.exact))
        if index.kind == "BIN_FLAT":
            return self._tuning(exact, exact, (exact,), held, "BIN_FLAT is exact: without another index nothing to fit")
        fitted, points = self._fitted(index, fitting, held)
        chosen, remark = _choose(self.recall, exact, [fitted] if fitted else [])
        remember_search(self.table.connection, self.table.name, chosen.index)
        return self._tuning(chosen, exact, points, held, remark)

    def rebuilt(self, lists: Sequence[int] | None) -> Tuning:
        """The fastest index that reaches the recall, BIN_FLAT among them."""
        connection, name, before = self.table.connection, self.table.name, self._flushed()
        flat = Index("BIN_FLAT")
        candidates = [before]
        if before.kind != "HNSW":
            candidates = [inverted_lists(nlist) for nlist in lists or lists_to_try(self.asked.total)]
        with kept_searchable(connection, name, before, self.say):
            self._build(flat)
            fitting, held = self._probes({})
            exact = point(self._ruler(), held, flat)
            fits: list[Point] = []
            points = [exact]
            for candidate in candidates:
                self._build(candidate)
                fitted, measured = self._fitted(candidate, fitting, held)
                points += measured
                fits += [fitted] if fitted else []
            if self.asked.rows <= _FEW and before.kind != "HNSW":
                chosen, remark = exact, f"among {self.asked.rows:,} rows the exact search takes as long as any other"
            else:
                chosen, remark = _choose(self.recall, exact, fits)
            if (chosen.index.kind, chosen.index.build) != (candidates[-1].kind, candidates[-1].build):
                self._build(chosen.index)
            remember_search(connection, name, chosen.index)
        return self._tuning(chosen, exact, tuple(points), held, remark)

    def _flushed(self) -> Index:
        """The index as Milvus has it, once all rows are in it."""
        connection, name = self.table.connection, self.table.name
        self.table.call("flushing", "flush", timeout=max(_FLUSH_SECONDS, connection.timeout))
        wait_until_built(connection, name)
        return with_search(index_of(describe_index(connection, name)), self.table.target.params)

    def _build(self, index: Index) -> None:
        rebuild(self.table.connection, self.table.name, index, self.say)

    def _ruler(self) -> Ruler:
        return Ruler(self.table, self.asked.into, self.limit)

    def _probes(self, exact: Mapping[str, int]) -> tuple[Probes, Probes]:
        """Queries to fit with and queries to hold out, with their exact answers."""
        codes: dict[Key, bytes] = {}
        asking = self.asked.asking or (self.asked.into,)
        share = -(-self.queries // len(asking))
        for modality in asking:
            codes |= self.table.run(sample(self.table.target, of_modality(modality), share), Consistency())
        keys = list(codes)
        order = np.random.default_rng(0).permutation(len(keys))
        own: list[Key | None] = [None if self.asked.asking else keys[n] for n in order]
        asked = np.frombuffer(b"".join(codes[keys[n]] for n in order), dtype=np.uint8).reshape(len(keys), -1)
        self.say(f"searching exactly for {len(keys)} queries")
        probes = self._ruler().ask(asked, own, exact)
        half = len(probes.own) // 2
        return probes.part(slice(half)), probes.part(slice(half, None))

    def _fitted(self, index: Index, fitting: Probes, held: Probes) -> tuple[Point | None, list[Point]]:
        """The least effort that reaches the recall, if one does, and the curve."""
        self.say(f"fitting {index.kind} {dict(index.build)} to recall {self.recall}")
        found = fit(self._ruler(), fitting, index, self.recall)
        points = curve(self._ruler(), held, index, found)
        return next((one for one in points if one.index == found), None), points

    def _tuning(self, chosen: Point, exact: Point, points: Sequence[Point], held: Probes, remark: str) -> Tuning:
        name, into = self.table.name, self.asked.into
        return Tuning(name, into, self.recall, self.limit, len(held.own), chosen, exact, tuple(points), remark)


def _choose(asked: float, exact: Point, fits: Sequence[Point]) -> tuple[Point, str]:
    """The fastest way to search, and why it is chosen."""
    if not fits:
        return exact, f"no approximate search reaches recall {asked}: the exact one is chosen"
    best = min(fits, key=lambda one: one.milliseconds)
    if exact.milliseconds <= _WORTH * best.milliseconds:
        times = f"{exact.milliseconds:.2f} ms, the fastest approximate one {best.milliseconds:.2f} ms"
        return exact, f"the exact search takes {times}"
    remark = f"{exact.milliseconds / best.milliseconds:.1f} times as fast as the exact search"
    if best.index.search == {"nprobe": 1} and best.recall > asked:
        remark += "; a single list reaches more than was asked for"
    return best, remark

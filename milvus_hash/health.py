"""What state a collection of codes is in: its index, its rows, how well its codes use their bits, how fast it answers.

Nothing is written, and a collection that a server has not loaded stays so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from milvus_hash.codes import Codes
from milvus_hash.errors import BundleMismatch, StoreError
from milvus_hash.evaluate.balance import BitUse, bit_use
from milvus_hash.media.modalities import MODALITIES
from milvus_hash.names import ModalityName
from milvus_hash.query.filters import of_modality
from milvus_hash.query.nearest import nearest
from milvus_hash.query.rows import count
from milvus_hash.query.scope import Scope
from milvus_hash.query.stored import as_bytes
from milvus_hash.store import catalog
from milvus_hash.store.call import Call, Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.description import Description, describe, exists, missing
from milvus_hash.store.index import KINDS
from milvus_hash.store.schema import Provenance
from milvus_hash.store.target import CODE, Target

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder
    from milvus_hash.store.address import ConnectionOptions

_SAMPLE_BITS = 5_000_000  # 10,000 codes of up to 512 bits, fewer of longer ones: a second to read and measure
_SAMPLE_CODES = 10_000
_ENOUGH = 1000  # codes from which on a bit that never changes says something about the encoder
_REPEATS = 9


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a collection that its owner should know.

    Attributes:
        name: What kind: ``no collection``, ``not of this package``, ``no code field``, ``another bundle``,
            ``another length``, ``no index``, ``another index``, ``another metric``, ``not loaded``, ``unreadable``,
            ``no rows``, ``constant bits``, ``duplicates``.
        detail: What was found, and what to do.
        broken: Whether searches fail or mean nothing; else it works and is worth knowing.
    """

    name: str
    detail: str
    broken: bool = True


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds, medians of some repeats.

    Attributes:
        encode: One question to its code, by modality.
        network: A call that reads nothing, there and back.
        search: A call that finds the ten nearest rows of one code, network included.
    """

    encode: Mapping[str, float]
    network: float
    search: float


@dataclass(frozen=True, slots=True)
class Health:
    """What :func:`examine` found; what could not be looked at is None or empty, and a problem says why.

    Attributes:
        name: Of the collection in Milvus; where an alias was asked for, of what is behind it.
        made_by: Whose codes it holds.
        index: What ``describe_index`` says of the codes' index: ``index_type``, ``metric_type``, ``nlist`` and so on.
        loaded: Whether Milvus has it in memory.
        rows: Rows by modality; modalities without rows are left out.
        codes: How a sample of the codes uses its bits, by modality.
        latency: How long questions take.
        problems: What is wrong or worth knowing.
    """

    name: str
    made_by: Provenance | None = None
    index: Mapping[str, Any] = field(default_factory=dict)
    loaded: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, BitUse] = field(default_factory=dict)
    latency: Latency | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether searches fail or mean nothing."""
        return any(problem.broken for problem in self.problems)


def examine(name: str, encoder: Encoder | None = None, **connection: Unpack[ConnectionOptions]) -> Health:
    """Look at collection ``name``, or the one behind the alias ``name``.

    Args:
        name: Of the collection, or an alias.
        encoder: Whose codes it should hold; without one neither that nor the time to encode is looked at.
        connection: Which Milvus, as for :meth:`milvus_hash.HashCollection.create`.

    Raises:
        StoreError: Milvus cannot be reached, or fails before it has said what the collection is.
    """
    with closing(Connection(**connection)) as link:
        return _examine(link, name, encoder)


def _examine(connection: Connection, name: str, encoder: Encoder | None) -> Health:
    if not exists(connection, name):
        return Health(name, problems=(Problem("no collection", str(missing(connection, name))),))
    found = _Examination(connection, describe(connection, name), encoder)
    made_by = found.provenance()
    index = found.index()
    loaded = found.loaded()
    if not found.searchable or not loaded:
        return Health(found.name, made_by, index, loaded, problems=tuple(found.problems))
    target = found.target()
    try:
        rows = found.rows(target)
        codes = found.codes(target, rows)
        latency = found.latency(target)
    except StoreError as error:
        found.problem("unreadable", f"{error}; was it dropped or released just now?")
        return Health(found.name, made_by, index, loaded, problems=tuple(found.problems))
    return Health(found.name, made_by, index, loaded, rows, codes, latency, tuple(found.problems))


class _Examination:
    """One look at a collection that is there; what is wrong gathers in ``problems``."""

    def __init__(self, connection: Connection, found: Description, encoder: Encoder | None) -> None:
        self.name = found.name
        self.bits = found.bits
        self.problems: list[Problem] = []
        self._connection = connection
        self._found = found
        self._encoder = encoder
        self._consistency = Consistency()

    def problem(self, name: str, detail: str, *, broken: bool = True) -> None:
        self.problems.append(Problem(name, detail, broken))

    def provenance(self) -> Provenance | None:
        """Whose codes it holds, and whether they are those of the encoder."""
        try:
            made_by = self._found.made_by
        except StoreError as error:
            self.problem("not of this package", str(error))
            return None
        if self._encoder is not None:
            try:
                catalog.check_bundle(self.name, made_by, self._encoder.bundle)
            except BundleMismatch as error:
                self.problem("another bundle", str(error))
        if self.bits and made_by.bits != self.bits:
            self.problem(
                "another length",
                f"collection {self.name!r} says that its codes have {made_by.bits} bits, its field has {self.bits}: "
                "its codes can be compared with none of that bundle; ingest into another collection",
            )
        return made_by

    def index(self) -> dict[str, Any]:
        """The index of the codes as Milvus describes it; empty without one."""
        if not self.bits:
            self.problem(
                "no code field",
                f"collection {self.name!r} has no vector field {CODE!r}; its fields are "
                f"{', '.join(self._found.fields)}: name another one, or give this one codes with milvus-hash adopt",
            )
            return {}
        found = self._found.indexed
        if not found:
            self.problem("no index", str(self._found.no_index()))
        elif found["index_type"] not in KINDS:
            self.problem(
                "another index",
                f"the index on the codes of {self.name!r} is {found['index_type']}, not {' or '.join(KINDS)}: "
                f"milvus-hash doctor --collection {self.name} --repair puts another in its place",
            )
        elif found["metric_type"] != "HAMMING":
            self.problem(
                "another metric",
                f"the index on the codes of {self.name!r} measures {found['metric_type']}; HAMMING is needed: "
                f"milvus-hash doctor --collection {self.name} --repair puts another in its place",
            )
        return dict(found)

    def loaded(self) -> bool:
        """Whether Milvus has it in memory; Milvus Lite forgets that with every process, so there it is loaded."""
        if self._connection.lite:
            self._connection.call(f"loading {self.name!r}", "load_collection", self.name)
            return True
        state = self._connection.call(f"asking whether {self.name!r} is loaded", "get_load_state", self.name)["state"]
        loaded = getattr(state, "name", str(state)) == "Loaded"
        if not loaded:
            self.problem(
                "not loaded",
                f"collection {self.name!r} is not loaded, so rows, codes and latency were not looked at: opening it "
                "with this package loads it; other clients call load_collection",
                broken=False,
            )
        return loaded

    @property
    def searchable(self) -> bool:
        """Whether it has codes that can be searched by Hamming distance."""
        index = self._found.indexed
        return index.get("index_type") in KINDS and index["metric_type"] == "HAMMING"

    def target(self) -> Target:
        """The collection as reads see it, whoever made it."""
        try:
            return self._found.target()
        except StoreError:  # not of this package
            return Target(self.name, self.bits, self._found.index.kind, pk=self._found.pk, lite=self._found.lite)

    def rows(self, target: Target) -> dict[str, int]:
        """Rows by modality; a collection without modalities has vectors."""
        parts = MODALITIES if "modality" in self._found.fields else (None,)
        counts = {part or "vector": self._run(count(target, part, "")) for part in parts}
        if not any(counts.values()):
            self.problem("no rows", f"collection {self.name!r} is empty: fill it with milvus-hash ingest", broken=False)
        return {modality: number for modality, number in counts.items() if number}

    def codes(self, target: Target, rows: Mapping[str, int]) -> dict[str, BitUse]:
        """How the codes of each modality use their bits."""
        by_modality = "modality" in self._found.fields
        uses = {}
        for modality in rows:
            sample = self._run(_sample(target, modality if by_modality else None))
            if len(sample):  # else its rows were deleted just now
                uses[modality] = bit_use(sample)
        for modality, use in uses.items():
            self._judge(modality, use)
        return uses

    def _judge(self, modality: str, use: BitUse) -> None:
        if use.codes < _ENOUGH:
            return
        if use.constant:
            self.problem(
                "constant bits",
                f"{use.constant} of {self.bits} bits are the same in all {use.codes:,} {modality} codes looked at: "
                "a shorter code would find the same",
                broken=False,
            )
        if use.duplicates > 0.5:
            self.problem(
                "duplicates",
                f"{use.duplicates:.0%} of {use.codes:,} {modality} codes repeat another one: the data repeats "
                "itself, or the codes are too short to tell items apart",
                broken=False,
            )

    def latency(self, target: Target) -> Latency:
        """Medians of encoding, of a call, of a search."""
        ping = "has_collection" if target.lite else "get_server_version"  # the server's cheapest call; not on Lite
        arguments = (target.name,) if target.lite else ()
        question = np.random.default_rng(0).integers(0, 256, (1, target.bits // 8), dtype=np.uint8)
        return Latency(
            encode=self._encoding(),
            network=_median(lambda: self._connection.call("timing a call", ping, *arguments)),
            search=_median(lambda: self._run(nearest(target, question, Scope(), limit=10))),
        )

    def _encoding(self) -> dict[str, float]:
        if self._encoder is None:
            return {}
        from PIL import Image

        encoder = self._encoder
        sources: dict[ModalityName, Any] = {"text": "a red flower", "image": Image.new("RGB", (256, 256), "grey")}
        return {
            modality: _median(partial(encoder.encode, modality, [source]))
            for modality, source in sources.items()
            if modality in encoder.modalities
        }

    def _run(self, steps: Steps[Any]) -> Any:  # noqa: ANN401 (the result of the steps)
        return self._connection.run(steps, self._consistency)


def _sample(target: Target, modality: str | None) -> Steps[Codes]:
    """Some codes uint8 ``(n, bits // 8)`` of a modality: those that Milvus gives first, mostly of the lowest keys."""
    arguments = {
        "collection_name": target.name,
        "filter": of_modality(modality),
        "limit": max(1, min(_SAMPLE_CODES, _SAMPLE_BITS // target.bits)),
        "output_fields": [CODE],
    }
    answer = yield Call(f"reading codes of {target.name!r}", "query", arguments)
    packed = b"".join(as_bytes(row[CODE]) for row in answer)
    return np.frombuffer(packed, dtype=np.uint8).reshape(len(answer), -1)


def _median(call: Callable[[], object]) -> float:
    """Seconds that ``call`` takes; once before it counts."""
    call()
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)

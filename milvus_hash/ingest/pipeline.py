"""Records to rows of a collection: expand, skip what is there, encode, write, count.

Everything streams. Pictures and clips are decoded by the encoder's threads while onnxruntime works, and both go on
while the collection writes the rows before them; memory stays flat however many records come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Protocol

from milvus_hash.arguments import check_collection, plain
from milvus_hash.errors import InputError
from milvus_hash.ingest.checks import check_records, name_of, problem_of
from milvus_hash.ingest.fields import check_names, check_size, row_fields
from milvus_hash.ingest.leftovers import Leftovers
from milvus_hash.manifest.json_value import json_value
from milvus_hash.media.modalities import FILES, MODALITIES
from milvus_hash.names import ModalityName
from milvus_hash.record import Record, Reject, path_of
from milvus_hash.store.rows import CodeRow
from milvus_hash.store.schema import encode_item, primary_key

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder
    from milvus_hash.store.table import Table

# Rows that are looked up together in Milvus and then encoded, one modality after the other. Large, because the
# decoding threads run dry at the end of each; small enough that texts of 32 kB take little memory.
_CHUNK = 2048

# The longest that a row waits for others to be encoded with, in seconds, where a source is slow.
_ENCODE_AFTER = 1.0

# The longest that an encoded row waits to be written, in seconds: what a killed process has to encode again.
_WRITE_AFTER = 5.0

_KEPT = 100  # rejects that are returned; on_reject is told of all


@dataclass(frozen=True, slots=True)
class Seconds:
    """Where the time of an ingest went, in seconds.

    Attributes:
        encode: Waiting for codes: decoding and onnxruntime, which overlap.
        insert: Waiting for Milvus, as far as it did not overlap with encoding.
        total: From the first record to the last row.
    """

    encode: float
    insert: float
    total: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of an ingest: one row per (item, modality, ordinal).

    Attributes:
        written: Rows now in the collection.
        skipped: Rows that were there already (``resume``).
        rejected: Inputs that could not be used.
        cut: Texts among the written ones that are longer than the bundle reads: their codes are of their beginnings.
        seconds: Where the time went.
        rejects: The first hundred of what was rejected, with the reasons.
    """

    written: int
    skipped: int
    rejected: int
    cut: int
    seconds: Seconds = field(compare=False, repr=False)
    rejects: tuple[Reject, ...] = field(default=(), compare=False)


class Destination(Protocol):
    """Where rows go, as :class:`milvus_hash.HashCollection` takes them."""

    @property
    def encoder(self) -> Encoder:
        """What makes the codes."""

    @property
    def bits(self) -> int:
        """Their length."""

    @property
    def fields(self) -> Mapping[str, type]:
        """The declared metadata fields and their types."""

    @property
    def table(self) -> Table:
        """The collection in Milvus."""

    def existing(self, pks: Iterable[str]) -> set[str]:
        """Those of the primary keys that have a row."""

    def add_codes(self, rows: Iterable[CodeRow | None]) -> int:
        """Write rows, at None what has come so far; how many they were."""


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One row to be: what to encode, and what to store beside the code."""

    item: str
    modality: ModalityName
    ordinal: int
    source: Any
    fields: Mapping[str, Any]

    @property
    def path(self) -> str:
        return path_of(self.source) if self.modality != "text" else ""


@plain
def ingest(
    records: Iterable[Record | Reject | None],
    collection: Destination,
    *,
    resume: bool = False,
    progress: Callable[[int], None] | None = None,
    on_reject: Callable[[Reject], None] | None = None,
    strict: bool = False,
    stop: Callable[[], bool] | None = None,
    replace: bool = False,
) -> Counts:
    """Encode ``records`` and write them to ``collection``, one row per (item, modality, ordinal).

    A bad input costs its own row only: the picture of a record may be rejected and its texts still be written.
    Rows are upserts on (item, modality, ordinal), so running an ingest again changes nothing.

    Args:
        records: What ``read_source`` yields, or records of your own; None says that the next one takes a while, so
            that what has come is written (:func:`milvus_hash.ahead.ahead`).
        collection: Where to write; its encoder makes the codes.
        resume: Leave out rows that the collection has already; an interrupted run goes on where it ended.
        progress: Called with the number of inputs that are done with, each time some are.
        on_reject: Called with each reject, as it happens.
        strict: End at the first reject; of the records near it, some are written.
        replace: Delete rows of a record's item that the record does not name, such as captions that it had before.
        stop: Asked between inputs; once it says True, what is being encoded is written and the call returns.

    Raises:
        InputError: The first record has a metadata column of a reserved name (later ones are rejects), ``strict`` met a
            reject, or what is given as records are none.
        StoreError: Milvus failed; what it had confirmed is there, and ``resume`` goes on.

    Example:
        >>> from milvus_hash import Encoder, HashCollection, Record
        >>> from milvus_hash.bundle import starter_path
        >>> import tempfile
        >>> uri = tempfile.mkdtemp() + "/example.db"
        >>> collection = HashCollection.create("example", Encoder.load(starter_path()), uri=uri)
        >>> ingest([Record("1", texts=("a red flower",))], collection)
        Counts(written=1, skipped=0, rejected=0, cut=0, rejects=())
        >>> collection.close()
    """
    check_records(records)
    check_collection(collection)
    for name, function in (("progress", progress), ("on_reject", on_reject), ("stop", stop)):
        if function is not None and not callable(function):
            raise InputError(f"{name} is a {type(function).__name__}: a function is needed, such as print")
    return _Ingest(collection, resume, progress, on_reject, strict, stop, replace).run(records)


class _Ingest:
    """The state of one call: counters and clocks that the stages share."""

    def __init__(
        self,
        collection: Destination,
        resume: bool,
        progress: Callable[[int], None] | None,
        on_reject: Callable[[Reject], None] | None,
        strict: bool,
        stop: Callable[[], bool] | None,
        replace: bool,
    ) -> None:
        self.collection = collection
        self.encoder = collection.encoder
        self.resume = resume
        self.progress = progress or (lambda done: None)
        self.on_reject = on_reject or (lambda reject: None)
        self.stop = stop or (lambda: False)
        self.strict = strict
        self.leftovers = Leftovers(collection.table) if replace else None
        self.rejects: list[Reject] = []
        self.skipped = self.rejected = self.cut = 0
        self.encode_seconds = 0.0
        self.failure: BaseException | None = None

    def run(self, records: Iterable[Record | Reject | None]) -> Counts:
        start = time.perf_counter()
        written = self.collection.add_codes(_written_after(self._clocked(self._encoded(records)), _WRITE_AFTER))
        if self.failure is not None:
            raise self.failure
        if self.leftovers is not None:
            self.leftovers.delete()
        total = time.perf_counter() - start
        seconds = Seconds(self.encode_seconds, total - self.encode_seconds, total)
        return Counts(written, self.skipped, self.rejected, self.cut, seconds, tuple(self.rejects))

    def _clocked(self, rows: Iterator[CodeRow | None]) -> Iterator[CodeRow | None]:
        """``rows``, with the time that the writer waits for them on the clock."""
        while True:
            start = time.perf_counter()
            try:
                row = next(rows)
            except StopIteration:
                return
            except (Exception, KeyboardInterrupt) as error:  # what came before it is written first
                self.failure = error
                return
            finally:
                self.encode_seconds += time.perf_counter() - start
            yield row

    def _encoded(self, records: Iterable[Record | Reject | None]) -> Iterator[CodeRow | None]:
        """The rows with their codes, and None where the source makes one wait."""
        for chunk in _chunks(self._expanded(takewhile(self._goes_on, records))):
            if not chunk:
                yield None
            if self.resume and chunk:
                chunk = self._missing(chunk)
            for modality in self.encoder.modalities:
                if mine := [row for row in chunk if row.modality == modality]:
                    yield from self._codes(modality, mine)

    def _goes_on(self, _: object) -> bool:
        return not self.stop()

    def _expanded(self, records: Iterable[Record | Reject | None]) -> Iterator[_Row | None]:
        """The rows of every record; what cannot become a row is a reject."""
        first = True
        for record in records:
            if record is None:
                yield None
                continue
            if isinstance(record, Reject):
                self._reject(record)
                continue
            if problem := problem_of(record):
                self._reject(Reject(*name_of(record), problem))
                continue
            if first:
                check_names(record.metadata)
                first = False
            try:
                encode_item(record.id)
                fields = row_fields(record.metadata, self.collection.fields)
                if record.labels:
                    fields["labels"] = json_value(list(record.labels))
            except InputError as error:
                self._reject(Reject(*name_of(record), str(error)))
                continue
            yield from self._rows_of(record, fields)

    def _rows_of(self, record: Record, fields: dict[str, Any]) -> Iterator[_Row]:
        files = record.files
        rows = [
            _Row(record.id, modality, 0, files[modality], {**fields, "path": path_of(files[modality])})
            for modality in FILES
            if modality in files
        ]
        rows += [_Row(record.id, "text", n, text, {**fields, "text": text}) for n, text in enumerate(record.texts)]
        if not rows:
            nothing = ", ".join(f"no {MODALITIES[name].noun}" for name in FILES)
            self._reject(Reject(record.id, "", f"the record has {nothing} and no text"))
        elif self.leftovers is not None:
            self.leftovers.name(record.id, (primary_key(row.item, row.modality, row.ordinal) for row in rows))
        for row in rows:
            if row.modality in self.encoder.modalities:
                yield row
            else:
                has = ", ".join(self.encoder.modalities)
                self._reject_row(row, f"bundle {self.encoder.bundle.name} cannot encode {row.modality}; it has {has}")

    def _missing(self, chunk: list[_Row]) -> list[_Row]:
        """The rows of ``chunk`` that the collection does not have yet."""
        keys = [primary_key(row.item, row.modality, row.ordinal) for row in chunk]
        present = self.collection.existing(keys)
        missing = [row for row, key in zip(chunk, keys, strict=True) if key not in present]
        self.skipped += len(chunk) - len(missing)
        self.progress(len(chunk) - len(missing))
        return missing

    def _codes(self, modality: str, rows: list[_Row]) -> Iterator[CodeRow]:
        sources = ((row, row.source) for row in takewhile(self._goes_on, rows))
        for encoded in self.encoder.stream(modality, sources, bits=self.collection.bits):
            row = encoded.key
            try:
                if encoded.code is None:
                    raise encoded.error or InputError("it got no code")
                check_size(row.fields, self.collection.fields)
            except InputError as error:
                self._reject_row(row, str(error))
                continue
            self.cut += encoded.cut
            yield CodeRow(row.item, row.modality, row.ordinal, encoded.code, row.fields)
            self.progress(1)

    def _reject_row(self, row: _Row, reason: str) -> None:
        where = f"text {row.ordinal}: " if row.modality == "text" and row.ordinal else ""
        self._reject(Reject(row.item, row.path, where + reason))

    def _reject(self, reject: Reject) -> None:
        self.rejected += 1
        if len(self.rejects) < _KEPT:
            self.rejects.append(reject)
        self.on_reject(reject)
        if self.strict:
            raise InputError(f"item {reject.id!r}: {reject.reason}")
        self.progress(1)


def _chunks(rows: Iterator[_Row | None]) -> Iterator[list[_Row]]:
    """Rows in chunks of ``_CHUNK``, of fewer where the first of them would wait; an empty one at None."""
    for first in rows:
        chunk = [] if first is None else [first]
        until = time.perf_counter() + _ENCODE_AFTER
        while chunk and len(chunk) < _CHUNK and time.perf_counter() < until and (row := next(rows, None)) is not None:
            chunk.append(row)
        yield chunk


def _written_after(rows: Iterator[CodeRow | None], seconds: float) -> Iterator[CodeRow | None]:
    """``rows`` with None, at which they are written, wherever one has waited that long."""
    oldest = None
    for row in rows:
        yield row
        now = time.perf_counter()
        oldest = None if row is None else oldest or now
        if oldest is not None and now - oldest >= seconds:
            yield None
            oldest = None

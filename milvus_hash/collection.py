"""A collection of codes in Milvus: create or open it, write to it, search it.

One row per (item, modality, ordinal): ``pk`` (``item#modality#ordinal``, the item percent-encoded), ``item``,
``modality`` (each has a partition of its name, except on Milvus Lite), ``ordinal``, ``code`` (BINARY_VECTOR),
declared metadata fields, and a dynamic field for all other metadata. The collection's description says whose codes
they are.

**What a search sees.** All rows that this process wrote, and all that others wrote before the collection was
opened: the first read is a *strong* one in Milvus' terms, which takes 0.2 to 0.3 s on a server. The reads after it
ask for *session* consistency, which costs what *bounded* does, some 3 ms, or waits for what this process wrote less
than 0.2 s ago; rows that other processes write meanwhile appear within about a second. ``count`` is always strong.
Milvus Lite is always strong, and as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from milvus_hash.arguments import check_encoder, plain_methods
from milvus_hash.collection_reads import CollectionReads
from milvus_hash.errors import InputError, StoreError
from milvus_hash.names import ConsistencyName, ModalityName
from milvus_hash.query.delete import delete
from milvus_hash.query.update import updated
from milvus_hash.query.where import Where, narrowed
from milvus_hash.record import Record
from milvus_hash.store import catalog
from milvus_hash.store.address import ConnectionOptions, check_seconds
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.description import exists
from milvus_hash.store.making import settled
from milvus_hash.store.rows import CodeRow, check_rows
from milvus_hash.store.schema import Provenance, primary_key
from milvus_hash.store.table import Table
from milvus_hash.store.wanted import CreateOptions, taken_apart
from milvus_hash.store.writer import write

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder
    from milvus_hash.ingest import Counts
    from milvus_hash.record import Reject

__all__ = ["CodeRow", "HashCollection", "primary_key"]

_modality = itemgetter("modality")


@plain_methods
class HashCollection(CollectionReads):
    """Codes of one bundle in one Milvus collection.

    Make one with :meth:`create` or :meth:`open`; it is a context manager that closes itself. It can be pickled, and
    connects again when it is first used in another process; the pickle contains the token.

    Attributes:
        name: Of the collection in Milvus.
        encoder: What turns questions into codes.
        bits: Code length; the encoder's full length or a nested one.
        fields: The declared metadata fields and their types.
        uri: Where it lives, without credentials.
        table: The collection in Milvus, for calls of ``MilvusClient`` that this class has not.
    """

    def __init__(self, table: Table, encoder: Encoder, fields: Mapping[str, type]) -> None:
        self.name = table.name
        self.encoder = encoder
        self.bits = table.target.bits
        self.fields = dict(fields)
        self.uri = table.connection.uri
        self.table = table
        self._connection = table.connection

    @property
    def index(self) -> str:
        """``BIN_FLAT``, ``BIN_IVF_FLAT``, ``HNSW`` or ``AUTOINDEX``."""
        return self.table.target.index

    def __repr__(self) -> str:
        database = f", db={self._connection.address.db!r}" if self._connection.address.db else ""
        return f"HashCollection({self.name!r}, bits={self.bits}, index={self.index!r}, uri={self.uri!r}{database})"

    def _repr_html_(self) -> str:
        from milvus_hash.notebook import about_html

        declared = ", ".join(f"{name}: {kind.__name__}" for name, kind in self.fields.items())
        made_by = f"{self.encoder.bundle.name}, {self.encoder.fingerprint}"
        return about_html(repr(self), {"bundle": made_by, "declared fields": declared or "none"})

    @classmethod
    def create(cls, name: str, encoder: Encoder, **options: Unpack[CreateOptions]) -> HashCollection:
        """Create a collection for the codes of ``encoder``.

        Args:
            name: Letters, digits and underscores, as Milvus wants it.
            encoder: Whose codes it will hold.
            options: How it is made, and where: see :class:`~milvus_hash.store.wanted.CreateOptions`.

        Raises:
            StoreError: The collection exists, or Milvus fails or cannot be reached.
            InputError: Bits, index, fields, consistency or the connection's options cannot be used.

        Example:
            >>> import tempfile
            >>> from milvus_hash import Encoder
            >>> from milvus_hash.bundle import starter_path
            >>> encoder = Encoder.load(starter_path())
            >>> with HashCollection.create("demo", encoder, uri=tempfile.mkdtemp() + "/demo.db") as demo:
            ...     code = encoder.encode_texts(["a red flower"])[0]
            ...     demo.add_codes([CodeRow("rose", "text", 0, code, {"text": "a red flower"})])
            ...     demo.search(text="a red flower", into="text")[0].item
            1
            'rose'
        """
        check_encoder(encoder)
        wanted, where = taken_apart(options)
        level, link = Consistency(wanted.consistency), Connection(**where)
        try:
            made_by = Provenance(encoder.bundle.name, encoder.fingerprint, encoder.check_bits(wanted.bits))
            made = catalog.create(link, name, made_by, wanted.index, wanted.fields or {}, wanted.expected_rows)
            return cls(Table(link, made.target(), level), encoder, made.declared)
        except BaseException:
            link.close()
            raise

    @classmethod
    def open(
        cls,
        name: str,
        encoder: Encoder,
        *,
        consistency: ConsistencyName | None = None,
        **connection: Unpack[ConnectionOptions],
    ) -> HashCollection:
        """Open an existing collection, or the one that is behind an alias now; see :meth:`create` for the arguments.

        When the alias moves to another one, this object stays with the collection that it opened: its encoder made
        those codes.

        Raises:
            BundleMismatch: Another bundle made its codes; the message names both.
            StoreError: There is no such collection, it is not one of this package, or Milvus fails.
        """
        check_encoder(encoder)
        level, link = Consistency(consistency), Connection(**connection)
        try:
            found = catalog.load(link, name, encoder.bundle)
            return cls(Table(link, found.target(), level), encoder, found.declared)
        except BaseException:
            link.close()
            raise

    @classmethod
    def open_or_create(cls, name: str, encoder: Encoder, **options: Unpack[CreateOptions]) -> HashCollection:
        """Open a collection, or create it where there is none; several processes may do so at the same time.

        The arguments are those of :meth:`create`.

        Raises:
            BundleMismatch: Another bundle made the collection's codes.
            InputError: It has other bits, another index or other fields than are asked for, or an argument cannot be
                used.
            StoreError: Milvus fails, or what another process is making is not complete within 20 seconds.
        """
        check_encoder(encoder)

        def once() -> HashCollection:
            if exists(link, name):
                return cls.open(name, encoder, consistency=wanted.consistency, **where)
            return cls.create(name, encoder, **options)

        wanted, where = taken_apart(options)
        link = Connection(**where)  # held, so that Milvus Lite is started once
        try:
            found = settled(once, link.timeout)
        finally:
            link.close()
        try:
            wanted.check(name, found.bits, found.index, found.fields)
        except InputError:
            found.close()
            raise
        return found

    @staticmethod
    def exists(name: str, **connection: Unpack[ConnectionOptions]) -> bool:
        """Whether Milvus has a collection of this name, whoever made it.

        Raises:
            StoreError: Milvus fails or cannot be reached.
        """
        link = Connection(**connection)
        try:
            return exists(link, name)
        finally:
            link.close()

    def add(
        self,
        records: Record | Iterable[Record | Reject],
        *,
        on_reject: Callable[[Reject], None] | None = None,
        strict: bool = False,
    ) -> Counts:
        """Encode and write ``records``, or a single one.

        A record is the whole of its item: rows that the item has from before and that the record does not name (a
        third caption, a clip) are deleted. :func:`milvus_hash.ingest.ingest` leaves them, and has more options.

        Args:
            records: What to write.
            on_reject: Called with each input that cannot be used; the first hundred are in the result, too.
            strict: End at the first of them.

        Raises:
            InputError: ``strict`` met a reject, or what is given as records are none.
            StoreError: Milvus failed; adding the same records again is safe.
        """
        from milvus_hash.ingest import ingest

        some = [records] if isinstance(records, Record) else records
        return ingest(some, self, on_reject=on_reject, strict=strict, replace=True)

    def add_codes(self, rows: Iterable[CodeRow | None]) -> int:
        """Write ready codes; a row whose (item, modality, ordinal) is there already is replaced.

        Rows go out in batches of up to 10,000 rows and 16 MB while the next ones are made; of rows that repeat,
        the last one stays. None among them ends a batch: where rows come slowly, those before it are written.

        Returns:
            The number of rows taken from ``rows``.

        Raises:
            InputError: A row cannot be used; earlier batches have been written.
            StoreError: Milvus failed; batches before the failed one have been written, and on a server the one
                after it may have been. Writing the same rows again is always safe.
        """

        def send(batch: list[dict[str, Any]]) -> None:
            partitions = self.table.target.partitions
            if not partitions:
                self.table.upsert(batch)
                return
            for modality, rows in groupby(sorted(batch, key=_modality), _modality):
                self.table.upsert(list(rows), partition=modality if modality in partitions else "")

        try:
            at_once = 1 if self._connection.lite else 2
            return write(check_rows(rows), self.bits // 8, self.fields, send, at_once=at_once)
        except BaseException:
            self.table.consistency.has_written_unknown()
            raise

    def update(self, items: Sequence[str], fields: Mapping[str, Any], *, modality: ModalityName | None = None) -> int:
        """Change metadata of the rows of ``items``; codes stay, and nothing is encoded.

        Rows are read and written again, so that what another process writes to the same rows meanwhile may be lost.

        Args:
            items: Ids; unknown ones have no rows.
            fields: New values by name; None takes a field away. All other fields of a row stay.
            modality: Of the rows; all of them when absent.

        Returns:
            How many rows were changed.

        Raises:
            InputError: An item, the modality, a field's name or value cannot be used.
            StoreError: Milvus failed; some rows may have been changed, and the same call changes the others.
        """
        return self.add_codes(updated(self.get, items, fields, modality))

    def delete(
        self,
        items: Sequence[str] | None = None,
        *,
        modality: ModalityName | None = None,
        filter: str = "",
        where: Where = None,
    ) -> int:
        """Delete the rows of ``items``, or those that a filter finds, or those of items that also meet the filter.

        Args:
            items: Ids; unknown ones have no rows. All items when absent, for which there has to be a filter.
            modality: Of the rows; all of them when absent.
            filter: A Milvus expression over the metadata.
            where: Values of the metadata, as for :meth:`search`.

        Returns:
            How many rows are gone.

        Raises:
            InputError: Neither items nor a filter, or one of them cannot be used.
            StoreError: Milvus failed, refused the filter, or the rows are still there; some may be gone.
        """
        try:
            steps = delete(self.table.target, items, modality, narrowed(filter, where))
            return self.table.run(steps, Consistency("Strong"))
        finally:
            self.table.consistency.has_written_unknown()

    def ping(self, timeout: float = 2.0) -> None:
        """Return if Milvus answers within ``timeout`` seconds and has the collection in memory, for a health check.

        Raises:
            StoreError: It does not, or has not.
        """
        check_seconds(timeout)
        state = self.table.call("asking for", "get_load_state", timeout=timeout)["state"]
        if state.name != "Loaded":
            raise StoreError(f"collection {self.name!r} cannot be searched: it is {state.name}; opening it loads it")

    def flush(self) -> None:
        """Make a server seal what was written, so that it gets its index; searches find it either way."""
        self.table.call("flushing", "flush")

    def drop(self) -> None:
        """Delete the collection with all its rows, and close."""
        self.table.call("dropping", "drop_collection")
        self.close()

    def close(self) -> None:
        """Wait for what other threads are doing, for as long as a call may take, and close the connection.

        Whoever uses the collection afterwards is told that it is closed; of an ``add`` that is under way, the batches
        that have begun are written. With the last connection to a local file, Milvus Lite ends, too, and so does a
        ``MilvusClient`` of your own that was opened on it after this collection.
        """
        self.table.close()

    def __enter__(self) -> HashCollection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

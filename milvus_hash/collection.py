"""A collection of codes in Milvus: create or open it, write to it, search it.

One row per (item, modality, ordinal): ``pk`` (``item#modality#ordinal``, the item percent-encoded), ``item``,
``modality`` (the partition key, except on Milvus 2.3), ``ordinal``, ``code`` (BINARY_VECTOR), declared metadata
fields, and a dynamic field for all other metadata. The collection's description says whose codes they are.

**What a search sees.** All rows that this process wrote, and all that others wrote before the collection was
opened: the first read after opening or writing is a *strong* one in Milvus' terms, which takes up to 0.2 s on a
server. The reads after it ask for *session* consistency, which costs what *bounded* does, some 3 ms; rows that
other processes write meanwhile appear within about a second. ``count`` is always strong. Milvus Lite is always
strong, and as fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import Codes, check
from milvus_hash.errors import InputError
from milvus_hash.query.filters import both, check_condition, of_modality
from milvus_hash.query.hits import Hit, output_names, to_hits
from milvus_hash.query.nearest import nearest
from milvus_hash.query.question import ask
from milvus_hash.query.target import Scope, Target, check_limit
from milvus_hash.store import catalog
from milvus_hash.store.call import Result, Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.index import check_search
from milvus_hash.store.rows import CodeRow, from_entity
from milvus_hash.store.schema import Provenance, encode_item, is_primary_key, primary_key
from milvus_hash.store.writer import write

if TYPE_CHECKING:
    from types import TracebackType

    from milvus_hash.encoder import Encoder
    from milvus_hash.ingest import Counts
    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource
    from milvus_hash.record import Record, Reject

__all__ = ["CodeRow", "HashCollection", "primary_key"]

DEFAULT_URI = "milvus_hash.db"
_KEYS_PER_CALL = 8192  # keys in one filter, and below the 16384 rows that a query may return
_ITEMS_PER_CALL = 16  # Milvus Lite cannot parse a chain of some 50 ors


class HashCollection:
    """Codes of one bundle in one Milvus collection.

    Make one with :meth:`create` or :meth:`open`; it is a context manager that closes itself.

    Attributes:
        name: Of the collection in Milvus.
        encoder: What turns questions into codes.
        bits: Code length; the encoder's full length or a nested one.
        index: ``BIN_FLAT`` or ``BIN_IVF_FLAT``.
        fields: The declared metadata fields and their types.
        uri: Where it lives, without credentials.
    """

    def __init__(self, connection: Connection, name: str, encoder: Encoder, shape: catalog.Shape) -> None:
        self.name = name
        self.encoder = encoder
        self.bits = shape.made_by.bits
        self.index = shape.index.kind
        self.fields = shape.fields
        self.uri = connection.uri
        self._connection = connection
        self._consistency = Consistency()
        index = shape.index
        self._target = Target(
            name, self.bits, index.kind, lite=connection.lite, params=index.search, exact_params=index.exact
        )

    def __repr__(self) -> str:
        return f"HashCollection({self.name!r}, bits={self.bits}, index={self.index!r}, uri={self.uri!r})"

    @classmethod
    def create(
        cls,
        name: str,
        encoder: Encoder,
        *,
        uri: str = DEFAULT_URI,
        token: str = "",
        db: str = "",
        bits: int | None = None,
        index: str = "auto",
        fields: Mapping[str, type] | None = None,
        timeout: float = 30.0,
    ) -> HashCollection:
        """Create a collection for the codes of ``encoder``.

        Args:
            name: Letters, digits and underscores, as Milvus wants it.
            encoder: Whose codes it will hold.
            uri: ``http(s)://HOST:PORT`` of a server, or a file of Milvus Lite that ends in ``.db``.
            token: ``USER:PASSWORD`` or an API key.
            db: A database of the server; its default one when empty.
            bits: Code length, one that the bundle lists; its full length when absent.
            index: ``BIN_FLAT`` (exact), ``BIN_IVF_FLAT`` (approximate, servers only), or ``auto``, which is
                ``BIN_FLAT`` for now.
            fields: Metadata fields to declare, with ``str``, ``int``, ``float`` or ``bool``; every row must have
                them. All other metadata goes to the dynamic field undeclared.
            timeout: Seconds that a call to Milvus may take, retries included.

        Raises:
            StoreError: The collection exists, or Milvus fails or cannot be reached.
            InputError: Bits, index or fields cannot be used.

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
        connection = Connection(uri, token, db, timeout)
        try:
            made_by = Provenance(encoder.bundle.name, encoder.fingerprint, encoder.check_bits(bits))
            shape = catalog.create(connection, name, made_by, index, fields or {})
        except BaseException:
            connection.close()
            raise
        return cls(connection, name, encoder, shape)

    @classmethod
    def open(
        cls,
        name: str,
        encoder: Encoder,
        *,
        uri: str = DEFAULT_URI,
        token: str = "",
        db: str = "",
        timeout: float = 30.0,
    ) -> HashCollection:
        """Open an existing collection; see :meth:`create` for the arguments.

        Raises:
            BundleMismatch: Another bundle made its codes; the message names both.
            StoreError: There is no such collection, it is not one of this package, or Milvus fails.
        """
        connection = Connection(uri, token, db, timeout)
        try:
            shape = catalog.describe(connection, name)
            catalog.check_bundle(name, shape.made_by, encoder)
            connection.call(f"loading {name!r}", "load_collection", name)
        except BaseException:
            connection.close()
            raise
        return cls(connection, name, encoder, shape)

    @staticmethod
    def exists(name: str, *, uri: str = DEFAULT_URI, token: str = "", db: str = "", timeout: float = 30.0) -> bool:
        """Whether Milvus has a collection of this name, whoever made it.

        Raises:
            StoreError: Milvus fails or cannot be reached.
        """
        connection = Connection(uri, token, db, timeout)
        try:
            return catalog.exists(connection, name)
        finally:
            connection.close()

    def add(self, records: Iterable[Record | Reject]) -> Counts:
        """Encode and write ``records``; see :func:`milvus_hash.ingest.ingest`, which has more options."""
        from milvus_hash.ingest import ingest

        return ingest(records, self)

    def add_codes(self, rows: Iterable[CodeRow]) -> int:
        """Write ready codes; a row whose (item, modality, ordinal) is there already is replaced.

        Rows go out in batches of up to 10,000 rows and 16 MB while the next ones are made; of rows that repeat,
        the last one stays.

        Returns:
            The number of rows taken from ``rows``.

        Raises:
            InputError: A row cannot be used; earlier batches have been written.
            StoreError: Milvus failed; batches before the failed one have been written, and on a server the one
                after it may have been. Writing the same rows again is always safe.
        """

        def send(batch: list[dict[str, Any]]) -> None:
            self._call("writing to", "upsert", self.name, batch)

        try:
            return write(rows, self.bits // 8, send, at_once=1 if self._connection.lite else 2)
        finally:
            self._consistency.has_written()

    def search(
        self,
        *,
        text: str | None = None,
        image: ImageSource | None = None,
        video: VideoSource | None = None,
        code: bytes | NDArray[np.uint8] | None = None,
        into: str = "image",
        limit: int = 10,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        search_params: Mapping[str, int] | None = None,
    ) -> list[Hit]:
        """The rows of modality ``into`` whose codes are nearest to a text, an image, a video, or a ready code.

        Args:
            text: The question in words.
            image: The question as a picture: a path, the bytes of a file, or a Pillow image.
            video: The question as a clip: a path, or the bytes of a file.
            code: The question as a code of ``bits // 8`` bytes.
            into: ``image``, ``text``, ``video`` or ``vector``.
            limit: Most hits, 1 to 16384.
            filter: A Milvus expression over the metadata, for instance ``'licence == "CC0"'``.
            output_fields: Metadata to return with the hits; all of it when absent.
            search_params: How hard an approximate index looks: ``{"nprobe": 128}`` for BIN_IVF_FLAT (1 to its number
                of lists), ``{"ef": 200}`` for HNSW; what :func:`milvus_hash.tune` found for this collection, else
                the defaults, when absent.

        Returns:
            Hits ordered by (distance, item, ordinal). Which of several rows at the same last distance are among
            the hits is up to Milvus.

        Raises:
            InputError: The question or an argument cannot be used.
            StoreError: Milvus failed, or refused the filter.
        """
        query = ask(self.encoder, self.bits, text=text, image=image, video=video, code=code)
        return self.search_codes(
            query.code[None],
            into=into,
            limit=limit,
            filter=filter,
            output_fields=output_fields,
            search_params=search_params,
        )[0]

    def search_codes(
        self,
        codes: Codes,
        *,
        into: str = "image",
        limit: int = 10,
        filter: str = "",
        output_fields: Sequence[str] | None = None,
        search_params: Mapping[str, int] | None = None,
    ) -> list[list[Hit]]:
        """Like :meth:`search`, for ready codes ``uint8 (q, bits // 8)``: one list of hits per query."""
        check_limit(limit)
        check_search(self.index, search_params)
        fields = tuple(output_names(output_fields, self.fields))
        scope = Scope(check_condition(filter), of_modality(into), output_fields=fields, params=search_params)
        found = self._run(nearest(self._target, check(codes, self.bits), scope, limit=int(limit)))
        return [to_hits(rows, self.bits) for rows in found]

    def get(self, items: Sequence[str], *, modality: str | None = None) -> list[CodeRow]:
        """The stored rows of ``items``, ordered by item, modality and ordinal; unknown items have none.

        Raises:
            InputError: An item or the modality cannot be used.
            StoreError: Milvus failed.
        """
        if isinstance(items, str):
            raise InputError(f"get() takes a list of items; write [{items!r}]")
        of_modality(modality)
        wanted = [encode_item(item) + (f"#{modality}" if modality else "") for item in dict.fromkeys(items)]
        rows: list[CodeRow] = []
        for start in range(0, len(wanted), _ITEMS_PER_CALL):
            # '$' follows '#', so this is "begins with PREFIX#"; like would take an encoded item's '%' as a wildcard
            some = wanted[start : start + _ITEMS_PER_CALL]
            ranges = " or ".join(f'(pk >= "{prefix}#" and pk < "{prefix}$")' for prefix in some)
            found = self._read(
                "reading", "query", self.name, filter=ranges, output_fields=["code", *self.fields, "$meta"]
            )
            rows += [from_entity(row) for row in found]
        return sorted(rows, key=lambda row: (row.item, row.modality, row.ordinal))

    def existing(self, pks: Iterable[str]) -> set[str]:
        """Those of the primary keys (see :func:`primary_key`) that have a row.

        Raises:
            InputError: A key is not of the form that :func:`primary_key` gives.
            StoreError: Milvus failed.
        """
        keys = list(dict.fromkeys(pks))
        if odd := next((key for key in keys if not is_primary_key(key)), None):
            raise InputError(f"{odd!r} is not a primary key; make one with primary_key(item, modality, ordinal)")
        found: set[str] = set()
        for start in range(0, len(keys), _KEYS_PER_CALL):
            some = keys[start : start + _KEYS_PER_CALL]
            answer = self._read("reading", "query", self.name, ids=some, output_fields=["pk"])
            found.update(row["pk"] for row in answer)
        return found

    def count(self, modality: str | None = None, filter: str = "") -> int:
        """The number of rows, of one modality and under a filter if given; exact, deleted rows not counted.

        Raises:
            InputError: The modality is unknown.
            StoreError: Milvus failed, or refused the filter.
        """
        condition = both(of_modality(modality), check_condition(filter))
        if self._connection.lite and not self._read("counting", "query", self.name, filter='pk > ""', limit=1):
            return 0  # Milvus Lite dies of count(*) on a collection without rows
        doing = f"the filter {filter!r} on" if filter else "counting"
        answer = self._call(
            doing, "query", self.name, filter=condition, output_fields=["count(*)"], consistency_level="Strong"
        )
        return int(answer[0]["count(*)"])

    def flush(self) -> None:
        """Make a server seal what was written, so that it gets its index; searches find it either way."""
        self._call("flushing", "flush", self.name)

    def drop(self) -> None:
        """Delete the collection with all its rows, and close."""
        self._call("dropping", "drop_collection", self.name)
        self.close()

    def close(self) -> None:
        """Close the connection, and with the last one to a local file Milvus Lite itself.

        A ``MilvusClient`` of your own that was opened on the same local file after this collection ends with it.
        """
        self._connection.close()

    def __enter__(self) -> HashCollection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, doing: str, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (any client method)
        return self._connection.call(f"{doing} {self.name!r}", method, *args, **kwargs)

    def _read(self, doing: str, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (any client method)
        """A read at the level that :class:`Consistency` says."""
        answer = self._call(doing, method, *args, consistency_level=self._consistency.level, **kwargs)
        self._consistency.has_read()
        return answer

    def _run(self, steps: Steps[Result]) -> Result:
        return self._connection.run(steps, self._consistency)

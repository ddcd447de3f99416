"""The asyncio counterpart of :class:`HashCollection`: the same verbs, awaited.

Reads go through pymilvus' asyncio client, so that hundreds may wait for Milvus at once. What computes rather than
waits, or takes many calls, runs in a thread with the blocking client instead: encoding, writing, creating, opening,
flushing, dropping. So none of them holds up the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.arguments import check_collection, plain_methods
from milvus_hash.codes import Codes, check
from milvus_hash.collection import HashCollection
from milvus_hash.names import ConsistencyName, ModalityName
from milvus_hash.query.asked import RowsAsked, rows_asked, search_asked
from milvus_hash.query.facets import facets
from milvus_hash.query.hits import Hit, Hits
from milvus_hash.query.plan import SearchOptions, find, find_after, find_within, options_of
from milvus_hash.query.rows import count, existing, rows_of
from milvus_hash.query.where import Where, narrowed
from milvus_hash.question import Asked, Parts, Query
from milvus_hash.store.address import ConnectionOptions
from milvus_hash.store.async_connection import AsyncConnection, in_thread
from milvus_hash.store.call import Result, Steps
from milvus_hash.store.rows import CodeRow
from milvus_hash.store.wanted import CreateOptions

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder
    from milvus_hash.ingest import Counts
    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource
    from milvus_hash.record import Record, Reject


@plain_methods
class AsyncHashCollection:
    """Codes of one bundle in one Milvus collection, for asyncio.

    Make one with :meth:`create` or :meth:`open`, or from a :class:`HashCollection`; it is an asynchronous context
    manager that closes itself. Methods do and take what those of :class:`HashCollection` do and take, and raise the
    same errors. Any number of them may run at once; a cancelled one leaves the collection usable, though a write
    that a thread has begun goes on. Each event loop that uses it gets a client of its own, until it is closed.
    It can be pickled, token included, as a :class:`HashCollection` can.

    Args:
        collection: What it is about; closed together with it.

    Attributes:
        name: Of the collection in Milvus.
        encoder: What turns questions into codes.
        bits: Code length.
        fields: The declared metadata fields and their types.
        uri: Where it lives, without credentials.
    """

    def __init__(self, collection: HashCollection) -> None:
        check_collection(collection)
        self.name = collection.name
        self.encoder = collection.encoder
        self.bits = collection.bits
        self.fields = collection.fields
        self.uri = collection.uri
        self._collection = collection
        self._connection = AsyncConnection(collection.table.connection)

    @property
    def index(self) -> str:
        """As :attr:`HashCollection.index`."""
        return self._collection.index

    def __repr__(self) -> str:
        return f"Async{self._collection!r}"

    def _repr_html_(self) -> str:
        return self._collection._repr_html_()

    def __reduce__(self) -> tuple[type[AsyncHashCollection], tuple[HashCollection]]:
        return AsyncHashCollection, (self._collection,)

    @classmethod
    async def create(cls, name: str, encoder: Encoder, **options: Unpack[CreateOptions]) -> AsyncHashCollection:
        """As :meth:`HashCollection.create`."""
        return cls(await in_thread(lambda: HashCollection.create(name, encoder, **options)))

    @classmethod
    async def open(
        cls,
        name: str,
        encoder: Encoder,
        *,
        consistency: ConsistencyName | None = None,
        **connection: Unpack[ConnectionOptions],
    ) -> AsyncHashCollection:
        """As :meth:`HashCollection.open`."""

        def open_() -> HashCollection:
            return HashCollection.open(name, encoder, consistency=consistency, **connection)

        return cls(await in_thread(open_))

    @classmethod
    async def open_or_create(cls, name: str, encoder: Encoder, **options: Unpack[CreateOptions]) -> AsyncHashCollection:
        """As :meth:`HashCollection.open_or_create`."""
        return cls(await in_thread(lambda: HashCollection.open_or_create(name, encoder, **options)))

    @staticmethod
    async def exists(name: str, **connection: Unpack[ConnectionOptions]) -> bool:
        """As :meth:`HashCollection.exists`."""
        return await in_thread(lambda: HashCollection.exists(name, **connection))

    async def add(
        self,
        records: Record | Iterable[Record | Reject],
        *,
        on_reject: Callable[[Reject], None] | None = None,
        strict: bool = False,
    ) -> Counts:
        """As :meth:`HashCollection.add`; ``records`` are read, and ``on_reject`` is called, in the thread."""
        return await in_thread(lambda: self._collection.add(records, on_reject=on_reject, strict=strict))

    async def add_codes(self, rows: Iterable[CodeRow | None]) -> int:
        """As :meth:`HashCollection.add_codes`; ``rows`` are read in the thread."""
        return await in_thread(self._collection.add_codes, rows)

    async def search(
        self,
        *,
        text: Parts[str] | None = None,
        image: Parts[ImageSource] | None = None,
        video: Parts[VideoSource] | None = None,
        vector: Parts[NDArray[np.floating]] | None = None,
        item: Parts[str] | None = None,
        code: bytes | NDArray[np.uint8] | None = None,
        query: Query | None = None,
        **options: Unpack[SearchOptions],
    ) -> Hits:
        """As :meth:`HashCollection.search`."""
        asked = Asked(text=text, image=image, video=video, vector=vector, item=item, code=code, query=query)
        table = self._collection.table
        one, options = await asyncio.to_thread(search_asked, table, self.encoder, asked, options)
        return (await self.search_many([one], **options))[0]

    async def search_many(self, queries: Sequence[Query], **options: Unpack[SearchOptions]) -> list[Hits]:
        """As :meth:`HashCollection.search_many`."""
        return await self._run(find(self._collection.table.target, queries, options_of(**options), self.fields))

    async def search_codes(self, codes: Codes, **options: Unpack[SearchOptions]) -> list[Hits]:
        """As :meth:`HashCollection.search_codes`."""
        return await self.search_many([Query(code) for code in check(codes, self.bits)], **options)

    async def within(self, radius: int, **asked: Unpack[RowsAsked]) -> Hits:
        """As :meth:`HashCollection.within`."""
        query, options = await asyncio.to_thread(rows_asked, self._collection.table, self.encoder, asked)
        return await self._run(find_within(self._collection.table.target, query, radius, options, self.fields))

    async def pages(
        self, size: int = 20, *, after: Hit | None = None, **asked: Unpack[RowsAsked]
    ) -> AsyncIterator[Hits]:
        """As :meth:`HashCollection.pages`, for ``async for``."""
        table = self._collection.table
        query, options = await asyncio.to_thread(rows_asked, table, self.encoder, asked)
        while page := await self._run(find_after(table.target, query, after, size, options, self.fields)):
            yield page
            if len(page) < size:
                return
            after = page[-1]

    async def get(self, items: Sequence[str], *, modality: ModalityName | None = None) -> list[CodeRow]:
        """As :meth:`HashCollection.get`."""
        return await self._run(rows_of(self._collection.table.target, items, modality, self.fields))

    async def existing(self, pks: Iterable[str]) -> set[str]:
        """As :meth:`HashCollection.existing`."""
        return await self._run(existing(self._collection.table.target, pks))

    async def count(self, modality: ModalityName | None = None, filter: str = "", *, where: Where = None) -> int:
        """As :meth:`HashCollection.count`."""
        return await self._run(count(self._collection.table.target, modality, narrowed(filter, where)))

    async def facets(
        self, field: str, *, into: ModalityName | None = "image", filter: str = "", where: Where = None
    ) -> dict[Any, int]:
        """As :meth:`HashCollection.facets`."""
        return await self._run(facets(self._collection.table.target, field, into, narrowed(filter, where), self.fields))

    async def update(
        self, items: Sequence[str], fields: Mapping[str, Any], *, modality: ModalityName | None = None
    ) -> int:
        """As :meth:`HashCollection.update`."""
        return await in_thread(lambda: self._collection.update(items, fields, modality=modality))

    async def delete(
        self,
        items: Sequence[str] | None = None,
        *,
        modality: ModalityName | None = None,
        filter: str = "",
        where: Where = None,
    ) -> int:
        """As :meth:`HashCollection.delete`."""
        return await in_thread(lambda: self._collection.delete(items, modality=modality, filter=filter, where=where))

    async def ping(self, timeout: float = 2.0) -> None:
        """As :meth:`HashCollection.ping`."""
        await in_thread(lambda: self._collection.ping(timeout))

    async def flush(self) -> None:
        """As :meth:`HashCollection.flush`."""
        await in_thread(self._collection.flush)

    async def drop(self) -> None:
        """As :meth:`HashCollection.drop`."""
        await in_thread(self._collection.drop)
        await self.close()

    async def close(self) -> None:
        """As :meth:`HashCollection.close`."""
        await in_thread(self._collection.close)
        await self._connection.close()

    async def __aenter__(self) -> AsyncHashCollection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, steps: Steps[Result]) -> Result:
        table = self._collection.table
        with table.in_use:
            return await self._connection.run(steps, table.consistency)

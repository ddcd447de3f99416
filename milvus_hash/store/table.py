"""One collection of codes in Milvus, as those hold it who read it, write to it or rebuild its index."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from milvus_hash.errors import StoreError
from milvus_hash.store.call import Result, Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.index import Index
from milvus_hash.store.target import Target
from milvus_hash.store.writer import upsert


class Table:
    """A collection, the way to it, and what its reads have to see.

    It can be pickled, token included, and connects again where it is used.

    Attributes:
        connection: To Milvus.
        target: The collection.
        consistency: Of its reads.
        in_use: To be entered around calls that do not pass through here.
    """

    def __init__(self, connection: Connection, target: Target, consistency: Consistency | None = None) -> None:
        self.connection = connection
        self.target = target
        self.consistency = consistency or Consistency()
        self.in_use = InUse(f"collection {target.name!r}")

    def __reduce__(self) -> tuple[type[Table], tuple[Connection, Target, Consistency]]:
        return Table, (self.connection, self.target, self.consistency)

    @property
    def name(self) -> str:
        """Of the collection in Milvus."""
        return self.target.name

    def run(self, steps: Steps[Result], consistency: Consistency | None = None) -> Result:
        """Carry out ``steps`` with the reads' own consistency, or another one.

        Raises:
            StoreError: Milvus refused or failed, or the table is closed.
        """
        with self.in_use:
            return self.connection.run(steps, consistency or self.consistency)

    def call(self, doing: str, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (any client method)
        """Call ``method`` of the client with the collection's name and these arguments.

        Args:
            doing: What the call is for, as the message of an error should begin: ``searching``.
            method: Name of a ``MilvusClient`` method that takes a collection's name first.
            args: What follows the name.
            kwargs: For the method; ``timeout`` may override the connection's.

        Raises:
            StoreError: Milvus refused or failed, or the table is closed.
        """
        with self.in_use:
            return self.connection.call(f"{doing} {self.name!r}", method, self.name, *args, **kwargs)

    def upsert(self, rows: Sequence[dict[str, Any]], *, partition: str = "") -> None:
        """Write one batch, as :func:`~milvus_hash.store.writer.upsert` does.

        Raises:
            StoreError: Milvus failed, or the table is closed.
        """
        with self.in_use:
            upsert(self.connection, self.name, rows, key=self.target.pk, partition=partition)

    def retarget(self, index: Index) -> None:
        """Search with ``index`` from now on, which has taken the place of the one that was there."""
        self.target = replace(self.target, index=index.kind, params=index.search, exact_params=index.exact)

    def close(self) -> None:
        """Begin no further call, wait for those under way as long as one may take, and close the connection."""
        self.in_use.end(self.connection.timeout)
        self.connection.close()


class InUse:
    """A context manager around each use of a thing, which any number of threads and tasks may enter.

    Args:
        what: What the thing is called in the message of an error.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._uses = 0
        self._closed = False
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            if self._closed:
                raise StoreError(f"{self._what} is closed: open it again")
            self._uses += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._uses -= 1
            if self._closed:
                self._changed.notify_all()

    def end(self, timeout: float) -> None:
        """Let no further use begin, and return when none is under way, or after ``timeout`` seconds."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._uses == 0, timeout)

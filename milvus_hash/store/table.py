"""One collection of codes in Milvus, as those hold it who read it, write to it or rebuild its index."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from milvus_hash.store.call import Result, Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.index import Index
from milvus_hash.store.target import Target


@dataclass(slots=True)
class Table:
    """A collection, the way to it, and what its reads have to see.

    Attributes:
        connection: To Milvus.
        target: The collection.
        consistency: Of its reads.
    """

    connection: Connection
    target: Target
    consistency: Consistency = field(default_factory=Consistency)

    @property
    def name(self) -> str:
        """Of the collection in Milvus."""
        return self.target.name

    def run(self, steps: Steps[Result], consistency: Consistency | None = None) -> Result:
        """Carry out ``steps`` with the reads' own consistency, or another one.

        Raises:
            StoreError: Milvus refused or failed.
        """
        return self.connection.run(steps, consistency or self.consistency)

    def call(self, doing: str, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (any client method)
        """Call ``method`` of the client with the collection's name and these arguments.

        Args:
            doing: What the call is for, as the message of an error should begin: ``searching``.
            method: Name of a ``MilvusClient`` method that takes a collection's name first.
            args: What follows the name.
            kwargs: For the method; ``timeout`` may override the connection's.

        Raises:
            StoreError: Milvus refused or failed.
        """
        return self.connection.call(f"{doing} {self.name!r}", method, self.name, *args, **kwargs)

    def retarget(self, index: Index) -> None:
        """Search with ``index`` from now on, which has taken the place of the one that was there."""
        self.target = replace(self.target, index=index.kind, params=index.search, exact_params=index.exact)

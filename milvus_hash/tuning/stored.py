"""A collection as tuning needs it, for those who have its name and not its encoder."""

from __future__ import annotations

from milvus_hash.store.connection import Connection
from milvus_hash.store.description import describe
from milvus_hash.store.repair import repair
from milvus_hash.store.table import Table


def stored_collection(connection: Connection, name: str) -> Table:
    """Collection ``name``, made whole where a process that was killed has left something out, and loaded.

    Raises:
        StoreError: There is none, it is not one of this package, or Milvus fails.
    """
    repair(connection, name)
    return Table(connection, describe(connection, name).target())

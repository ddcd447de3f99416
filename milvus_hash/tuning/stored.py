"""A collection as tuning needs it, for those who have its name and not its encoder."""

from __future__ import annotations

from dataclasses import dataclass

from milvus_hash.errors import StoreError
from milvus_hash.query.target import Target
from milvus_hash.store.building import describe_index, remembered
from milvus_hash.store.catalog import exists
from milvus_hash.store.connection import Connection
from milvus_hash.store.index import index_of
from milvus_hash.store.repair import repair
from milvus_hash.store.schema import Provenance


@dataclass
class StoredCollection:
    """A collection of codes, or a sidecar, that :func:`milvus_hash.tuning.tune` takes."""

    index: str
    _connection: Connection
    _target: Target


def stored_collection(connection: Connection, name: str) -> StoredCollection:
    """Look at collection ``name`` and load it.

    Raises:
        StoreError: There is none, it is not one of this package, or Milvus fails.
    """
    if not exists(connection, name):
        raise StoreError(f"there is no collection {name!r} in {connection.place}: name one that ingest or adopt made")
    described = connection.call(f"describing {name!r}", "describe_collection", name)
    made_by = Provenance.loads(name, described.get("description", ""))
    repair(connection, name)
    index = remembered(index_of(describe_index(connection, name)), described)
    key = next(field["name"] for field in described["fields"] if field.get("is_primary"))
    target = Target(
        name,
        made_by.bits,
        index.kind,
        pk=key,
        partitioned=made_by.partitioned,
        lite=connection.lite,
        params=index.search,
        exact_params=index.exact,
    )
    return StoredCollection(index.kind, connection, target)

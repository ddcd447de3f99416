"""Collections as Milvus lists them: make one, read what one is, and whether its codes fit a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from milvus_hash.bundle import Bundle
from milvus_hash.errors import BundleMismatch, StoreError, Unsettled
from milvus_hash.store.building import create_index, remembered
from milvus_hash.store.connection import Connection
from milvus_hash.store.index import Index, index_of, resolve
from milvus_hash.store.making import making
from milvus_hash.store.repair import no_index
from milvus_hash.store.schema import MODALITIES, Provenance, build_schema, declared_fields


@dataclass(frozen=True, slots=True)
class Shape:
    """What a collection is: whose codes, which index, which declared fields, and its name where an alias was given."""

    made_by: Provenance
    index: Index
    fields: dict[str, type]
    name: str


def create(
    connection: Connection,
    name: str,
    made_by: Provenance,
    kind: str,
    fields: Mapping[str, type],
    expected_rows: int | None = None,
) -> Shape:
    """Create collection ``name``, with an index for about ``expected_rows`` rows where they are known.

    Raises:
        StoreError: It exists, Milvus has no such index, or it fails.
        InputError: Index, rows or fields cannot be used.
    """
    index = resolve(kind, lite=connection.lite, rows=expected_rows)
    made_by = replace(made_by, partitioned=not connection.lite)  # Milvus Lite has no partitions
    schema = build_schema(made_by, fields)
    if exists(connection, name):
        raise Unsettled(
            f"collection {name!r} exists in {connection.place}: open it with HashCollection.open({name!r}, ...), "
            "or name another one"
        )
    with making(connection, name, schema):
        for modality in MODALITIES if made_by.partitioned else ():
            connection.call(f"adding the partition {modality!r} to {name!r}", "create_partition", name, modality)
        create_index(connection, name, index)
        connection.call(f"loading {name!r}", "load_collection", name)
    return Shape(made_by, index, dict(fields), name)


def exists(connection: Connection, name: str) -> bool:
    """Whether there is a collection of this name, whoever made it.

    Raises:
        StoreError: There is no such database, in which a server only says that it has no such collection; or it fails.
    """
    found = bool(connection.call(f"looking for {name!r}", "has_collection", name))
    if not found and (database := connection.address.database):
        databases: list[str] = []
        with suppress(StoreError):  # without the right to list them
            databases = connection.call("listing the databases", "list_databases")
        if databases and database not in databases:
            raise StoreError(f"there is no database {database!r} in {connection.uri}; it has {', '.join(databases)}")
    return found


def describe(connection: Connection, name: str) -> Shape:
    """Read what collection ``name``, or the one behind the alias ``name``, is.

    Raises:
        StoreError: There is none, it was not made by this package, or Milvus fails.
    """
    if not exists(connection, name):
        raise Unsettled(
            f"there is no collection {name!r} in {connection.place}: make it, for instance with milvus-hash ingest"
        )
    found = connection.call(f"describing {name!r}", "describe_collection", name)
    made_by = Provenance.loads(name, found.get("description", ""))
    if "adopted" in json.loads(found["description"]):
        raise StoreError(
            f"collection {name!r} is the sidecar of a float collection: open it with adopt.AdoptedCollection.open"
        )
    index = connection.call(f"describing the index of {name!r}", "describe_index", name, "code")
    if not index:
        raise no_index(name)
    return Shape(made_by, remembered(index_of(index), found), declared_fields(found), found["collection_name"])


def check_bundle(name: str, made_by: Provenance, bundle: Bundle) -> None:
    """Refuse a bundle whose codes cannot be compared with those of collection ``name``.

    Raises:
        BundleMismatch: Another bundle made the collection's codes.
    """
    if made_by.fingerprint != bundle.fingerprint:
        raise BundleMismatch(
            f"collection {name!r} holds codes of bundle {made_by.bundle} ({made_by.fingerprint}), "
            f"not of {bundle.name} ({bundle.fingerprint}): distances between them mean nothing; "
            "use its bundle, or another collection"
        )
    bundle.check_bits(made_by.bits)

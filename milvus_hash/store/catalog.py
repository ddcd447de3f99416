"""Collections of this package: make one, open one, refuse a bundle whose codes do not belong there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from milvus_hash.bundle import Bundle
from milvus_hash.errors import BundleMismatch, StoreError, Unsettled
from milvus_hash.media.modalities import MODALITIES
from milvus_hash.store.building import create_index
from milvus_hash.store.connection import Connection
from milvus_hash.store.description import Description, describe, exists
from milvus_hash.store.index import resolve
from milvus_hash.store.making import making
from milvus_hash.store.schema import Provenance, build_schema


def create(
    connection: Connection,
    name: str,
    made_by: Provenance,
    kind: str,
    fields: Mapping[str, type],
    expected_rows: int | None = None,
) -> Description:
    """Create collection ``name``, with an index for about ``expected_rows`` rows where they are known.

    Raises:
        StoreError: It exists, Milvus has no such index, or it fails.
        InputError: Index, rows or fields cannot be used.
    """
    index = resolve(kind, lite=connection.lite, rows=expected_rows)
    partitions = () if connection.lite2 else tuple(MODALITIES)
    schema = build_schema(replace(made_by, partitioned=bool(partitions)), fields, partitions)
    if exists(connection, name):
        raise Unsettled(
            f"collection {name!r} exists in {connection.place}: open it with HashCollection.open({name!r}, ...), "
            "or name another one"
        )
    with making(connection, name, schema):
        for modality in partitions:
            connection.call(f"adding the partition {modality!r} to {name!r}", "create_partition", name, modality)
        create_index(connection, name, index)
        connection.call(f"loading {name!r}", "load_collection", name)
        return describe(connection, name)


def read(connection: Connection, name: str) -> Description:
    """What collection ``name`` is, or the one behind the alias ``name``.

    Raises:
        StoreError: There is none, it was not made by this package or is a sidecar, or Milvus fails.
    """
    found = describe(connection, name)
    if found.made_by and found.adopted is not None:
        raise StoreError(
            f"collection {name!r} is the sidecar of a float collection: open it with adopt.AdoptedCollection.open"
        )
    return found


def load(connection: Connection, name: str, bundle: Bundle) -> Description:
    """As :func:`read`, of a collection whose codes ``bundle`` made, which is in memory afterwards.

    Raises:
        BundleMismatch: Another bundle made its codes.
        StoreError: As for :func:`read`; or it has no index.
    """
    found = read(connection, name)
    check_bundle(name, found.made_by, bundle)
    if not found.indexed:
        raise found.no_index()
    connection.call(f"loading {name!r}", "load_collection", found.name)
    return found


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

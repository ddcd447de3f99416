"""Making again what a process that was killed has left out of a collection: partitions, and the index on its codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from milvus_hash.errors import Unsettled
from milvus_hash.store.building import (
    Say,
    create_index,
    describe_index,
    load,
    rebuild,
    remembered_index,
    wait_until_built,
)
from milvus_hash.store.connection import Connection
from milvus_hash.store.index import KINDS, Index, resolve
from milvus_hash.store.schema import MODALITIES, Provenance


def no_index(name: str) -> Unsettled:
    """What to raise when collection ``name`` cannot be searched for want of an index."""
    return Unsettled(
        f"collection {name!r} has no index on its codes, as after a run that was killed; its rows are all there: "
        f"milvus-hash doctor --collection {name} --repair makes the index again, and so does milvus-hash tune {name}"
    )


def repair(connection: Connection, name: str, say: Say = lambda remark: None) -> list[str]:
    """Make what collection ``name`` lacks, load it, and say what was made; rows are neither read nor changed.

    The index is the one that the collection had when it was tuned last, else what ``auto`` means for its rows. An index
    that codes cannot be searched with (another metric, another kind) is replaced.

    Raises:
        StoreError: The collection was not made by this package, or Milvus failed.
    """
    described = connection.call(f"describing {name!r}", "describe_collection", name)
    name = described["collection_name"]  # of an alias
    made_by = Provenance.loads(name, described.get("description", ""))
    made = list(_partitions(connection, name, made_by))
    found = describe_index(connection, name)
    if not found:
        index = _index(connection, name, described)
        create_index(connection, name, index)
        wait_until_built(connection, name)
        load(connection, name)
    elif found["index_type"] not in KINDS or found["metric_type"] != "HAMMING":
        index = _index(connection, name, described)
        rebuild(connection, name, index, say)
    else:
        load(connection, name)
        return made
    return [*made, " ".join(["the index", index.kind, *(f"{key} {value}" for key, value in index.build.items())])]


def _partitions(connection: Connection, name: str, made_by: Provenance) -> Iterator[str]:
    if not made_by.partitioned:
        return
    there = connection.call(f"listing the partitions of {name!r}", "list_partitions", name)
    for modality in MODALITIES:
        if modality not in there:
            connection.call(f"adding the partition {modality!r} to {name!r}", "create_partition", name, modality)
            yield f"the partition {modality}"


def _index(connection: Connection, name: str, described: Mapping[str, Any]) -> Index:
    stats = connection.call(f"counting {name!r}", "get_collection_stats", name)  # near enough
    return remembered_index(described) or resolve("auto", lite=connection.lite, rows=int(stats["row_count"]))

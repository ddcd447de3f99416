"""Making again what a process that was killed has left out of a collection: partitions, and the index on its codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from milvus_hash.store.building import (
    Say,
    create_index,
    load,
    rebuild,
    remembered_index,
    wait_until_built,
)
from milvus_hash.store.connection import Connection
from milvus_hash.store.description import Description, describe
from milvus_hash.store.index import KINDS, Index, resolve


def repair(connection: Connection, name: str, say: Say = lambda remark: None) -> list[str]:
    """Make what collection ``name`` lacks, load it, and say what was made; rows are neither read nor changed.

    The index is the one that the collection had when it was tuned last, else what ``auto`` means for its rows. An index
    that codes cannot be searched with (another metric, another kind) is replaced.

    Raises:
        StoreError: The collection was not made by this package, or Milvus failed.
    """
    found = describe(connection, name)
    name = found.name  # of an alias
    made = list(_partitions(connection, name, found.partitions))
    if not found.indexed:
        index = _index(connection, found)
        create_index(connection, name, index)
        wait_until_built(connection, name)
        load(connection, name)
    elif found.indexed["index_type"] not in KINDS or found.indexed["metric_type"] != "HAMMING":
        index = _index(connection, found)
        rebuild(connection, name, index, say)
    else:
        load(connection, name)
        return made
    return [*made, " ".join(["the index", index.kind, *(f"{key} {value}" for key, value in index.build.items())])]


def _partitions(connection: Connection, name: str, wanted: Sequence[str]) -> Iterator[str]:
    there = connection.call(f"listing the partitions of {name!r}", "list_partitions", name) if wanted else ()
    for modality in wanted:
        if modality not in there:
            connection.call(f"adding the partition {modality!r} to {name!r}", "create_partition", name, modality)
            yield f"the partition {modality}"


def _index(connection: Connection, found: Description) -> Index:
    stats = connection.call(f"counting {found.name!r}", "get_collection_stats", found.name)  # near enough
    return remembered_index(found.described) or resolve("auto", lite=connection.lite, rows=int(stats["row_count"]))

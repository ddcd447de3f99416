"""Rows to batches, and batches to Milvus while the next ones are being made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeAlias

from milvus_hash.ahead import in_order
from milvus_hash.store import limits, lite_writing
from milvus_hash.store.connection import Connection
from milvus_hash.store.rows import CodeRow, to_entity

Batch: TypeAlias = dict[str, dict[str, Any]]
"""Primary key to row."""


def batches(rows: Iterable[CodeRow | None], width: int, declared: Mapping[str, type]) -> Iterator[Batch]:
    """Batches as large as :mod:`milvus_hash.store.limits` lets them be; of equal keys in a batch the last one stays.

    A batch also ends at None.

    One request must not name a key twice: Milvus Lite would store both rows, and a server refuses it from 2.6.8.

    Raises:
        InputError: A row cannot be used.
    """
    batch: Batch = {}
    size = 0
    for row in rows:
        if row is None:
            if batch:
                yield batch
            batch, size = {}, 0
            continue
        entity = to_entity(row, width, declared)
        cost = width + 2 * len(entity["pk"]) + limits.ROW_BYTES
        cost += sum(len(value if isinstance(value, str) else repr(value)) for value in row.fields.values())
        if batch and (len(batch) == limits.ROWS_WRITTEN or size + cost > limits.BYTES):
            yield batch
            batch, size = {}, 0
        batch[entity["pk"]] = entity
        size += cost
    if batch:
        yield batch


def write(
    rows: Iterable[CodeRow | None],
    width: int,
    declared: Mapping[str, type],
    send: Callable[[list[dict[str, Any]]], None],
    *,
    at_once: int = 1,
) -> int:
    """Send all rows in batches, from threads of their own, while the next batch is made here.

    Batches that share a key never overlap, so the last row of a key wins whatever ``at_once`` is.

    Args:
        rows: What to write; at None, what has come so far.
        width: Bytes of a code.
        declared: The declared fields of the collection.
        send: Writes one batch and returns when it is stored.
        at_once: Batches that may be on their way together. With two, pymilvus packs one while Milvus stores the
            other.

    Returns:
        The number of rows taken.

    Raises:
        InputError: A row cannot be used; the batches before it have been sent.
        Exception: Whatever ``send`` raised; only batches that were on their way already are sent after it.
    """
    count = 0

    def counted() -> Iterator[CodeRow | None]:
        nonlocal count
        for row in rows:
            count += row is not None
            yield row

    def clash(batch: Batch, other: Batch) -> bool:
        return not batch.keys().isdisjoint(other)

    def send_rows(batch: Batch) -> None:
        send(list(batch.values()))

    with closing(in_order(send_rows, batches(counted(), width, declared), threads=at_once, clash=clash)) as sent:
        for _ in sent:
            pass
    return count


def upsert(
    connection: Connection, name: str, rows: Sequence[dict[str, Any]], *, key: str = "pk", partition: str = ""
) -> None:
    """Write one batch to collection ``name`` and return when it is stored.

    Args:
        connection: To Milvus.
        name: Of the collection.
        rows: As pymilvus takes them.
        key: Name of the primary key.
        partition: Name of one that the rows go to; the collection's default one when empty.

    Raises:
        StoreError: Milvus failed; or its file has no room, or does not have the rows afterwards.
    """
    place = {"partition_name": partition} if partition else {}

    def send() -> None:
        connection.call(f"writing to {name!r}", "upsert", name, rows, **place)

    if connection.lite:
        lite_writing.write(connection, name, rows, key, send)
    else:
        send()

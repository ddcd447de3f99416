"""Rows to batches, and batches to Milvus while the next one is being made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from milvus_hash.store.rows import CodeRow, to_entity

MAX_ROWS = 10_000
# Characters are counted, of which UTF-8 needs at most four bytes each: so a request stays below the 64 MiB that
# Milvus takes.
MAX_BYTES = 16_000_000
_ROW_BYTES = 64  # field names and lengths on the wire


def batches(rows: Iterable[CodeRow], width: int) -> Iterator[list[dict[str, Any]]]:
    """Batches of at most ``MAX_ROWS`` rows and ``MAX_BYTES`` bytes; of equal keys in a batch the last one stays.

    One request must not name a key twice: Milvus Lite would store both rows, and a server refuses it from 2.6.8.

    Raises:
        InputError: A row cannot be used.
    """
    batch: dict[str, dict[str, Any]] = {}
    size = 0
    for row in rows:
        entity = to_entity(row, width)
        cost = width + 2 * len(entity["pk"]) + _ROW_BYTES
        cost += sum(len(value if isinstance(value, str) else repr(value)) for value in row.fields.values())
        if batch and (len(batch) == MAX_ROWS or size + cost > MAX_BYTES):
            yield list(batch.values())
            batch, size = {}, 0
        batch[entity["pk"]] = entity
        size += cost
    if batch:
        yield list(batch.values())


def write(rows: Iterable[CodeRow], width: int, send: Callable[[list[dict[str, Any]]], None]) -> int:
    """Send all rows, one batch after the other, from one thread, while the next batch is made here.

    Raises:
        InputError: A row cannot be used; the batches before it have been sent.
        Exception: Whatever ``send`` raised; nothing is sent after it.
    """
    count = 0

    def counted() -> Iterator[CodeRow]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    with ThreadPoolExecutor(1, thread_name_prefix="milvus-write") as pool:
        sending: Future[None] | None = None
        for batch in batches(counted(), width):
            if sending is not None:
                sending.result()
            sending = pool.submit(send, batch)
        if sending is not None:
            sending.result()
    return count

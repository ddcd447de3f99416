"""Writing to Milvus Lite, which keeps from its clients what a full disk does to their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from milvus_hash.errors import StoreError
from milvus_hash.store import lite_disk
from milvus_hash.store.connection import Connection

_torn: set[tuple[Path, str]] = set()  # collections of Milvus Lite 3 whose log has a batch that was not written whole


def write(
    connection: Connection, name: str, rows: Sequence[Mapping[str, Any]], key: str, send: Callable[[], None]
) -> None:
    """Write one batch to collection ``name``, one at a time per file, and return when it is stored.

    Args:
        connection: To Milvus Lite.
        name: Of the collection.
        rows: As pymilvus takes them.
        key: Name of the primary key.
        send: Sends the rows.

    Raises:
        StoreError: Milvus failed; or its file has no room, or does not have the rows afterwards.
    """
    path = Path(connection.address.uri)
    with lite_disk.writing[path]:
        lite_disk.check_room(path, rows)
        if connection.lite3:
            _write_3(connection, name, send)
        else:
            _write_2(connection, name, rows, key, send)


def _write_3(connection: Connection, name: str, send: Callable[[], None]) -> None:
    """Milvus Lite 3 writes a log, and after a kill reads it up to the first batch that is not whole.

    So after a batch that failed another log is begun, which storing all rows does.
    """
    mine = Path(connection.address.uri), name
    if mine in _torn:
        connection.call(f"flushing {name!r}", "flush", name)
        _torn.remove(mine)
    try:
        send()
    except StoreError:
        _torn.add(mine)
        raise


def _write_2(
    connection: Connection, name: str, rows: Sequence[Mapping[str, Any]], key: str, send: Callable[[], None]
) -> None:
    """Milvus Lite 2 says that all went well; so the file is looked at."""
    path, reason = Path(connection.address.uri), "Milvus Lite did not say why"
    try:
        send()
    except StoreError as error:
        if lite_disk.has_room(path, rows) or lite_disk.is_stored(path, name, rows[-1][key]):
            raise
        reason = str(error)
    else:
        if lite_disk.is_stored(path, name, rows[-1][key]):
            return
    with suppress(StoreError):  # what it has in memory is not what it has stored
        connection.call(f"releasing {name!r}", "release_collection", name)
    raise StoreError(
        f"{len(rows):,} rows were not stored in {str(path)!r}, and rows that they were to replace may be gone "
        f"({reason}): see that the disk has room and that nothing else changes the file, then write them again"
    )

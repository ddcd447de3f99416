"""Making a collection: a whole one, or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.errors import StoreError
from milvus_hash.store import lite_disk
from milvus_hash.store.connection import Connection

if TYPE_CHECKING:
    from pymilvus import CollectionSchema


@contextmanager
def making(connection: Connection, name: str, schema: CollectionSchema) -> Iterator[None]:
    """Create collection ``name`` around a block that completes it; drop it again if anything of that fails.

    Half a collection would stand in the way of the next try. But what is there may be somebody else's by now, with rows
    in it: only what has the mark of ``schema`` is dropped.

    Raises:
        StoreError: Milvus failed, another process made a collection of this name meanwhile, or the file of Milvus Lite
            has no room for one.
    """
    if connection.lite:
        lite_disk.check_room(Path(connection.address.uri), ())
    try:
        connection.call(f"creating {name!r}", "create_collection", name, schema=schema, consistency_level="Session")
        yield
    except BaseException as error:
        found = {}
        with suppress(StoreError):  # without the right to drop: what failed first is the error to report
            found = connection.call(f"describing {name!r}", "describe_collection", name)
            if found["description"] == schema.description:
                connection.call(f"dropping the unfinished {name!r}", "drop_collection", name)
        if isinstance(error, StoreError) and found.get("description", schema.description) != schema.description:
            raise StoreError(f"another process made {name!r} just now: open it, or name another one") from None
        raise

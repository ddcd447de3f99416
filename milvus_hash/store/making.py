"""Making a collection: a whole one, or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from milvus_hash.errors import StoreError, Unsettled
from milvus_hash.store import lite_disk
from milvus_hash.store.connection import Connection
from milvus_hash.store.deadline import Deadline

if TYPE_CHECKING:
    from pymilvus import CollectionSchema

Made = TypeVar("Made")

_SETTLED_WITHIN = 20.0  # seconds; making a collection takes one or two


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
        connection.open(Deadline(connection.timeout))  # which makes the file
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
            raise Unsettled(f"another process made {name!r} just now: open it, or name another one") from None
        raise


def settled(step: Callable[[], Made], timeout: float) -> Made:
    """What ``step`` gives, which is tried again while another process makes or drops the collection that it is about.

    Raises:
        StoreError: What it raised, or what it still raised after ``timeout`` or 20 seconds.
    """
    deadline = Deadline(min(timeout, _SETTLED_WITHIN))
    while True:
        try:
            return step()
        except Unsettled:
            if (pause := deadline.pause()) is None:
                raise
        time.sleep(pause)

"""Building the index of a collection: make it, wait for it, replace it, and remember how to search it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from milvus_hash.errors import InputError, StoreError
from milvus_hash.store.connection import Connection
from milvus_hash.store.index import Index, check_search, index_of, resolve
from milvus_hash.store.unbroken import unbroken

PROPERTY = "milvus_hash.search"
"""The property of a collection that says how its index is to be searched. Milvus 2.3 and later keep properties that
they do not know; Milvus Lite drops them, and has nothing to remember."""

_PATIENCE = 600.0  # seconds that an index may take without a row more, and that loading may take
_SERVED_WITHIN = 120.0  # seconds; Milvus 2.3 takes about 10
_REPLACED_WITHIN = 120.0  # seconds for each step: a collection without index is not left so because a server is busy
_PAUSE = 0.25  # seconds between two looks

LEAST_ROWS = 1024
"""A segment with fewer rows gets no index: Milvus looks at all of them."""

Say = Callable[[str], None]


def create_index(connection: Connection, name: str, index: Index, *, timeout: float = 0.0) -> None:
    """Ask for an index on the codes of collection ``name``; a server builds it by and by.

    Args:
        connection: To Milvus.
        name: Of the collection.
        index: Which one.
        timeout: Seconds for the call, where those of the connection are fewer.

    Raises:
        StoreError: Milvus refuses it; the message names another one.
    """
    params = connection.client.prepare_index_params()
    params.add_index("code", index_type=index.kind, metric_type="HAMMING", params=dict(index.build))
    doing, timeout = f"making an index {index.kind} of {name!r}", max(timeout, connection.timeout)
    try:
        connection.call(doing, "create_index", name, params, sync=False, timeout=timeout)
    except StoreError as error:
        if index.kind != "HNSW":
            raise
        raise StoreError(
            f"{error}; codes have had HNSW since Milvus 2.6.4: use index='BIN_IVF_FLAT' there, or 'BIN_FLAT'"
        ) from None


def rebuild(connection: Connection, name: str, index: Index, say: Say) -> None:
    """Put ``index`` in the place of the one that collection ``name`` has; searches fail until it is there.

    Raises:
        StoreError: Milvus failed; the collection may be without index, or not loaded.
    """
    say(f"building {index.kind} {dict(index.build) or ''}".rstrip())
    with unbroken():
        _replace(connection, name, index)
    wait_until_built(connection, name)
    load(connection, name)


def _replace(connection: Connection, name: str, index: Index) -> None:
    timeout = max(_REPLACED_WITHIN, connection.timeout)
    connection.call(f"releasing {name!r}", "release_collection", name, timeout=timeout)
    if old := describe_index(connection, name):
        connection.call(f"dropping the index of {name!r}", "drop_index", name, old["index_name"], timeout=timeout)
    create_index(connection, name, index, timeout=timeout)


def load(connection: Connection, name: str) -> None:
    """Have collection ``name`` brought into memory, however long that takes."""
    connection.call(f"loading {name!r}", "load_collection", name, timeout=max(_PATIENCE, connection.timeout))


def describe_index(connection: Connection, name: str) -> Mapping[str, Any]:
    """What Milvus says of the index on the codes; empty where there is none."""
    return connection.call(f"describing the index of {name!r}", "describe_index", name, "code") or {}


def wait_until_built(connection: Connection, name: str) -> None:
    """Return when every sealed row is in the index.

    Raises:
        StoreError: Building failed, or came no further for ten minutes.
    """
    done, since = -1, time.monotonic()
    while True:
        found = describe_index(connection, name)
        if found.get("state") == "Failed":
            raise StoreError(
                f"building the index of {name!r} failed: {found.get('index_state_fail_reason', 'unknown')}"
            )
        if not int(found.get("pending_index_rows", 0)) and found.get("state") in (None, "Finished"):
            return
        now = int(found.get("indexed_rows", 0))
        if now > done:
            done, since = now, time.monotonic()
        elif time.monotonic() - since > _PATIENCE:
            raise StoreError(
                f"the index of {name!r} stands at {now} rows since {_PATIENCE:.0f} s: see the server's log"
            )
        time.sleep(_PAUSE)


def wait_until_served(connection: Connection, name: str) -> None:
    """Return when searches use the index: a server looks at fresh rows one by one until it has loaded it.

    Raises:
        StoreError: That took longer than two minutes.
    """
    wait_until_built(connection, name)
    deadline = time.monotonic() + _SERVED_WITHIN
    while time.monotonic() < deadline:
        doing = f"looking at the segments of {name!r}"
        stored = connection.call(doing, "list_persistent_segments", name)
        loaded = connection.call(doing, "list_loaded_segments", name)
        with_index = {segment.segment_id for segment in loaded if segment.index_name}
        if with_index.issuperset(segment.segment_id for segment in stored if segment.num_rows >= LEAST_ROWS):
            return
        time.sleep(_PAUSE)
    raise StoreError(f"{name!r} does not serve its index after {_SERVED_WITHIN:.0f} s: release it and load it again")


@contextmanager
def kept_searchable(connection: Connection, name: str, index: Index, say: Say) -> Iterator[None]:
    """Where the block is left by an error or Ctrl-C, collection ``name`` gets ``index`` back, and is loaded.

    A process that is killed cannot do that: what it is to be is stored with the collection first, for :mod:`.repair`.
    """
    remember_search(connection, name, index)
    try:
        yield
    except BaseException:
        say("stopped: putting the index back")
        try:
            _restore(connection, name, index, say)
        except StoreError as error:  # the first error tells more
            say(f"that failed: {error}; milvus-hash doctor --collection {name} --repair makes it later")
        raise


def _restore(connection: Connection, name: str, index: Index, say: Say) -> None:
    found = describe_index(connection, name)
    if found and index_of(found).build == index.build and found["index_type"] == index.kind:
        load(connection, name)
    else:
        rebuild(connection, name, index, say)


def remember_search(connection: Connection, name: str, index: Index) -> None:
    """Store with collection ``name`` how ``index`` is to be searched; :func:`remembered` reads it.

    Raises:
        StoreError: Milvus refuses the property.
    """
    stored = json.dumps({"kind": index.kind, "build": dict(index.build), "search": dict(index.search)})
    doing = f"storing the search parameters {dict(index.search)} with {name!r}"
    connection.call(doing, "alter_collection_properties", name, {PROPERTY: stored})


def remembered(index: Index, described: Mapping[str, Any]) -> Index:
    """``index`` with the search that is stored in what ``describe_collection`` gave.

    What was stored for an index that has been replaced since, or by another program, does not count.
    """
    stored = remembered_index(described)
    fits = stored is not None and (stored.kind, stored.build) == (index.kind, dict(index.build))
    return stored if stored is not None and fits else index


def remembered_index(described: Mapping[str, Any]) -> Index | None:
    """The index that :func:`remember_search` stored in what ``describe_collection`` gave; None without one."""
    try:
        stored = json.loads((described.get("properties") or {})[PROPERTY])
        check_search(stored["kind"], stored["search"])
        return Index(resolve(stored["kind"], lite=False).kind, dict(stored["build"]), dict(stored["search"]))
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None

"""The self-test: its checks one after the other, and a clean end whatever happens."""

from __future__ import annotations

import platform
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from milvus_hash import __version__
from milvus_hash.errors import MilvusHashError, StoreError
from milvus_hash.selftest import changes, reads
from milvus_hash.selftest.bench import Bench
from milvus_hash.selftest.step import NotAvailable, Step, Wrong
from milvus_hash.store.connection import Connection
from milvus_hash.store.features import features, server_version

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder
    from milvus_hash.store.address import ConnectionOptions

_NAME = re.compile(r"milvus_hash_self_test_(\d+)_[0-9a-f]+")
_PEER = re.compile(r"\b(ipv[46]|unix):\S+")  # as gRPC names the other side
_OLD = 3600.0  # seconds after which a collection of a self-test is one that was killed


def versions(bench: Bench) -> str:
    """Who talks to whom."""
    server = server_version(bench.connection)
    bench.features = {one.name: one.there for one in features(bench.connection, server)}
    return (
        f"{server}; milvus-hash {__version__}, pymilvus {version('pymilvus')}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def leftovers(bench: Bench) -> str:
    """What self-tests that were killed have left behind."""
    removed = 0
    for name in bench.connection.call("listing collections", "list_collections"):
        made = _NAME.fullmatch(name)
        if made and time.time() - int(made[1]) > _OLD:
            changes.remove(bench.connection, name)
            removed += 1
    return f"{removed} collections of tests that were killed removed" if removed else "none"


_NEEDED_FIRST = (versions, leftovers, changes.create, changes.write)
"""Without these no other one can be tried."""

_CHECKS: dict[str, Callable[[Bench], str]] = {
    "versions": versions,
    "leftovers of older tests": leftovers,
    "create": changes.create,
    "write in segments": changes.write,
    "count": reads.counts,
    "exact search": reads.exact_search,
    "exact search with all ties": reads.complete,
    "radius": reads.radius,
    "filters": reads.filters,
    "filter templates": reads.filter_templates,
    "partitions": reads.partitions,
    "codes in answers": reads.codes_in_answers,
    "rows by key": reads.keys,
    "another client": reads.another_client,
    "asyncio": reads.asyncio_client,
    "deadline": reads.deadline,
    "growing rows": changes.growing,
    "replaced rows": changes.replaced,
    "deleted rows": changes.deleted,
    "BIN_IVF_FLAT": changes.inverted,
    "HNSW": changes.graph,
    "AUTOINDEX": changes.automatic,
    "search parameters": changes.remembered,
    "alias": changes.alias,
}


def self_test(encoder: Encoder, **where: Unpack[ConnectionOptions]) -> Generator[Step, None, None]:
    """Try all that the package asks of a Milvus, in a collection of its own, and yield what each check found.

    The collection is removed at the end, and also when the iterator is closed or left by an exception; one that a
    killed process left behind is removed by a later self-test. A file of Milvus Lite that is not there is not made:
    the test runs in a temporary one.

    Args:
        encoder: Of any bundle: the length of its codes is tried.
        where: Which Milvus, as for :meth:`milvus_hash.HashCollection.create`.

    Raises:
        InputError: The options contradict each other.

    Example:
        >>> from milvus_hash import Encoder
        >>> from milvus_hash.bundle import starter_path
        >>> steps = self_test(Encoder.load(starter_path()), uri="not_there_yet.db")
        >>> next(steps).step
        'versions'
        >>> steps.close()
    """
    with ExitStack() as stack:
        connection = Connection(**where)
        if connection.lite and not Path(connection.address.uri).exists():
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="milvus-hash-"))
            where = {**where, "uri": f"{folder}/self_test.db"}
            connection = Connection(**where)
        stack.callback(connection.close)
        bench = Bench(f"milvus_hash_self_test_{int(time.time())}_{secrets.token_hex(4)}", encoder, connection, where)
        stack.callback(_clean, bench)
        for name, check in _CHECKS.items():
            step = _tried(name, check, bench)
            yield step
            if step.state == "failed" and check in _NEEDED_FIRST:
                return
        yield _tried("drop", changes.drop, bench)


def _tried(name: str, check: Callable[[Bench], str], bench: Bench) -> Step:
    start = time.perf_counter()
    try:
        state, detail = "ok", check(bench)
    except NotAvailable as reason:
        state, detail = "not available", str(reason)
    except (Wrong, MilvusHashError) as error:
        state, detail = "failed", str(error)
    return Step(name, state, round(time.perf_counter() - start, 2), _without_addresses(detail, bench.connection))


def _without_addresses(detail: str, connection: Connection) -> str:
    """A line without where this Milvus is; secrets are left out of every message already."""
    host = urlsplit(connection.uri).hostname or ""
    host = host if "." in host else ""  # a bare name may be any word
    for place in filter(None, (connection.uri, connection.address.uri, host)):
        detail = detail.replace(place, "URI")
    return " ".join(_PEER.sub("URI", detail).split())


def _clean(bench: Bench) -> None:
    """Remove the collection if it is still there."""
    bench.close()
    with suppress(StoreError):  # which has been reported by then
        if bench.connection.call("looking for the collection", "has_collection", bench.name):
            changes.remove(bench.connection, bench.name)

"""A server that is slow, killed, restarted, or whose collection goes away: named errors in time, and nothing lost."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from milvus_server import AVAILABLE, Server, own_server
from plain_pymilvus import plain_client

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.store import limits

CODES = np.random.default_rng(0).integers(0, 256, (200, 8), dtype=np.uint8)
SHORT = 1.0  # the timeout, in seconds, of calls that must fail
LONG = 120.0
_names = (f"faults_{number}" for number in itertools.count())


def rows(codes=CODES) -> list[CodeRow]:
    return [CodeRow(f"i{n}", "image", 0, code) for n, code in enumerate(codes)]


def refused(match: str, do: Callable[[], object]) -> None:
    """It raises a StoreError that says so, and long before a hanging call would."""
    start = time.monotonic()
    with pytest.raises(StoreError, match=match):
        do()
    assert time.monotonic() - start < 5 * SHORT


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for these tests alone. It takes 10 s, not 30, to forget one that was killed."""
    if not AVAILABLE:
        pytest.skip("the milvus wheel is for Linux on x86-64")
    with own_server(settings={"COMMON_SESSION_TTL": "10"}) as one:
        yield one


@pytest.fixture
def collection(server, tiny_encoder) -> Iterator[HashCollection]:
    """A collection of all CODES whose calls may take LONG."""
    with HashCollection.create(next(_names), tiny_encoder, uri=server.uri, timeout=LONG) as made:
        made.add_codes(rows())
        assert made.count() == len(CODES)
        yield made


@pytest.fixture
def hasty(server, collection, tiny_encoder) -> Iterator[HashCollection]:
    """The same collection, with calls that may take SHORT."""
    with HashCollection.open(collection.name, tiny_encoder, uri=server.uri, timeout=SHORT) as opened:
        yield opened


def right(collection: HashCollection) -> bool:
    return collection.search(code=CODES[7], limit=1)[0].item == "i7"


def twin(collection: HashCollection) -> HashCollection:
    """The same one, to be closed by itself."""
    return pickle.loads(pickle.dumps(collection))


async def awaited_count(collection: HashCollection) -> int:
    async with AsyncHashCollection(twin(collection)) as awaited:
        return await awaited.count()


def test_a_server_that_answers_slowly(server, hasty, tiny_encoder):
    calls: list[Callable[[], object]] = [
        lambda: right(hasty),
        hasty.count,
        lambda: hasty.add_codes(rows()),
        lambda: HashCollection.open(hasty.name, tiny_encoder, uri=server.uri, timeout=SHORT),
    ]

    async def check():
        async with AsyncHashCollection(twin(hasty)) as awaited:
            assert await awaited.count() == len(CODES)
            with server.suspended():
                blocking = [
                    asyncio.to_thread(refused, "no answer within 1 s: give a longer timeout", do) for do in calls
                ]
                found, *others = await asyncio.gather(awaited.count(), *blocking, return_exceptions=True)
            assert isinstance(found, StoreError)
            assert "no answer within 1 s: give a longer timeout" in str(found)
            assert others == [None] * len(calls)
            assert await awaited.count() == len(CODES)

    asyncio.run(check())
    assert right(hasty)


def test_a_server_that_is_killed_and_comes_back(server, collection, hasty):
    """While it is down calls fail by name; one that may wait for it gets its answer; all the objects go on."""

    async def check():
        awaited = AsyncHashCollection(hasty)
        patient = AsyncHashCollection(collection)
        assert await awaited.count() == await patient.count() == len(CODES)
        server.kill()
        refused("the server could not be reached for 1 s: start it", lambda: right(hasty))
        with pytest.raises(StoreError, match="the server could not be reached for 1 s: start it"):
            await awaited.count()
        starting = threading.Thread(target=server.start)
        starting.start()
        assert await patient.count() == len(CODES)
        starting.join()
        assert right(collection)
        assert right(hasty)
        assert await awaited.count() == len(CODES)
        await awaited.close()
        await patient.close()

    asyncio.run(check())


def test_a_restart_amid_a_write_loses_nothing(server, collection, monkeypatch):
    monkeypatch.setattr(limits, "ROWS_WRITTEN", 20)
    restarting = threading.Thread(target=lambda: (server.kill(), server.start()))

    def more() -> Iterator[CodeRow]:
        for number, row in enumerate(rows(~CODES)):
            if number == 50:
                restarting.start()
            yield row

    assert collection.add_codes(more()) == len(CODES)
    restarting.join()
    assert collection.count() == len(CODES)
    items = [f"i{n}" for n in range(len(CODES))]
    stored = {row.item: bytes(row.code) for row in collection.get(items)}
    assert stored == {f"i{n}": code.tobytes() for n, code in enumerate(~CODES)}


def test_a_collection_that_another_client_releases(server, hasty, tiny_encoder):
    other = plain_client(server.uri)
    other.release_collection(hasty.name)
    for call in (lambda: right(hasty), hasty.count, lambda: asyncio.run(awaited_count(hasty))):
        refused("was released from the server's memory meanwhile: open it again", call)
    HashCollection.open(hasty.name, tiny_encoder, uri=server.uri, timeout=LONG).close()
    assert right(hasty)
    other.close()


def test_a_collection_that_another_client_drops(server, hasty):
    other = plain_client(server.uri)
    other.drop_collection(hasty.name)
    for call in (
        lambda: right(hasty),
        hasty.count,
        hasty.flush,
        lambda: hasty.add_codes(rows()),
        lambda: hasty.get(["i1"]),
        lambda: asyncio.run(awaited_count(hasty)),
    ):
        refused("was dropped or renamed meanwhile: open another one or make it again", call)
    hasty.drop()  # as it should be
    other.close()

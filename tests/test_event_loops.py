"""One asyncio collection in several event loops: one after another, and side by side in threads."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow
from milvus_hash.errors import StoreError

CODES = np.random.default_rng(0).integers(0, 256, (20, 8), dtype=np.uint8)


async def right(awaited: AsyncHashCollection) -> bool:
    found = await asyncio.gather(*(awaited.search(code=code, limit=1) for code in CODES))
    return [hits[0].item for hits in found] == [f"i{n}" for n in range(len(CODES))]


def test_a_later_loop(flat_store, tiny_encoder, capfd):
    made = flat_store.create()
    made.add_codes(CodeRow(f"i{n}", "image", 0, code) for n, code in enumerate(CODES))
    awaited = asyncio.run(AsyncHashCollection.open(made.name, tiny_encoder, uri=flat_store.uri, timeout=60))
    for _ in range(4):
        assert asyncio.run(right(awaited))
    assert len(awaited._connection._opened) == 1  # those of the loops that are over are closed
    asyncio.run(awaited.close())
    with pytest.raises(StoreError, match="is closed: open it again"):
        asyncio.run(right(awaited))
    assert "Traceback" not in capfd.readouterr().err


def test_two_loops_at_once(flat_store, tiny_encoder, capfd):
    made = flat_store.create()
    made.add_codes(CodeRow(f"i{n}", "image", 0, code) for n, code in enumerate(CODES))
    awaited = AsyncHashCollection(made)
    both, answers = threading.Barrier(2), []

    async def search() -> None:
        assert await right(awaited)
        await asyncio.to_thread(both.wait, 60)  # now each has its client
        answers.append(all([await right(awaited) for _ in range(10)]))
        await asyncio.to_thread(both.wait, 60)

    async def search_and_close() -> None:
        await search()
        await awaited.close()

    other = threading.Thread(target=lambda: asyncio.run(search()))
    other.start()
    asyncio.run(search_and_close())
    other.join()
    assert answers == [True, True]
    assert "Traceback" not in capfd.readouterr().err


def test_loops_that_open_several_at_once(flat_store, tiny_encoder):
    """Locks of pymilvus belong to a loop, and it knows loops by a number that the next one may have, too."""
    made = flat_store.create()
    made.add_codes(CodeRow(f"i{n}", "image", 0, code) for n, code in enumerate(CODES))

    async def open_all() -> list[bool]:
        opening = (
            AsyncHashCollection.open(made.name, tiny_encoder, uri=flat_store.uri, timeout=60 + n) for n in range(4)
        )
        all_open = await asyncio.gather(*opening)
        found = await asyncio.gather(*(right(one) for one in all_open))
        await asyncio.gather(*(one.close() for one in all_open))
        return found

    for _ in range(3):
        assert all(asyncio.run(open_all()))

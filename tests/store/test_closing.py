"""Closing a collection that others are using."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.store.table import InUse

CODES = np.random.default_rng(0).integers(0, 256, (2000, 8), dtype=np.uint8)


@pytest.fixture
def filled(flat_store) -> HashCollection:
    made = flat_store.create()
    made.add_codes(CodeRow(f"i{n}", "image", 0, code) for n, code in enumerate(CODES))
    return made


def test_searches_of_other_threads_end_well_or_say_that_it_is_closed(filled):
    def search(number: int) -> str:
        try:
            (hits,) = filled.search_codes(CODES[number : number + 1], limit=500)
        except StoreError as error:
            return str(error)
        return hits[0].item

    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(search, number) for number in range(400)]
        time.sleep(0.05)
        filled.close()
        answers = [one.result(60) for one in found]
    closed = f"collection {filled.name!r} is closed: open it again"
    assert answers == [answer if answer == closed else f"i{n}" for n, answer in enumerate(answers)]
    assert answers[0] == "i0"
    assert answers[-1] == closed


def test_tasks_end_well_or_say_that_it_is_closed(filled):
    async def check() -> list[object]:
        awaited = AsyncHashCollection(filled)
        await awaited.count()
        searches = [asyncio.ensure_future(awaited.search_codes(CODES[n : n + 1], limit=500)) for n in range(100)]
        await asyncio.sleep(0.02)
        await awaited.close()
        searches.append(asyncio.ensure_future(awaited.search_codes(CODES[:1])))
        return await asyncio.gather(*searches, return_exceptions=True)

    answers = asyncio.run(check())
    found = [answer for answer in answers if not isinstance(answer, Exception)]
    assert all(hits[0].distance == 0 for (hits,) in found)
    assert len(found) >= 1
    assert {str(one) for one in answers if isinstance(one, Exception)} == {
        f"collection {filled.name!r} is closed: open it again"
    }


def test_rows_that_come_after_closing_are_refused(filled):
    def rows():
        yield CodeRow("first", "image", 0, bytes(8))
        yield None  # so that it is written
        time.sleep(0.5)
        filled.close()
        yield CodeRow("second", "image", 0, bytes(8))

    with pytest.raises(StoreError, match="is closed"):
        filled.add_codes(rows())
    with HashCollection.open(filled.name, filled.encoder, uri=filled.uri, timeout=60) as again:
        assert len(again.get(["first"])) == 1
        assert again.get(["second"]) == []


def test_closing_waits_for_what_is_under_way_and_no_longer_than_it_is_told():
    thing, order = InUse("it"), []

    def use() -> None:
        with thing:
            entered.set()
            time.sleep(0.3)
            order.append("used")

    entered = threading.Event()
    threading.Thread(target=use).start()
    entered.wait(10)
    thing.end(60)
    order.append("closed")
    assert order == ["used", "closed"]
    stuck = InUse("stuck")
    stuck.__enter__()
    stuck.end(0.1)
    with pytest.raises(StoreError, match="stuck is closed"), stuck:
        pass

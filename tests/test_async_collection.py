"""The asyncio collection: the same verbs and answers as the blocking one, many at once."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import Unpack

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import BundleMismatch, InputError, StoreError
from milvus_hash.ingest import Counts
from milvus_hash.media.image import ImageSource
from milvus_hash.media.modalities import MODALITIES
from milvus_hash.media.video import VideoSource
from milvus_hash.question import Query, ask
from milvus_hash.record import Record, Reject
from milvus_hash.store.consistency import LEVELS
from milvus_hash.store.index import KINDS
from milvus_hash.store.schema import primary_key
from milvus_hash.store.tls import Tls

VERBS = [name for name in dir(HashCollection) if name[0] != "_" and callable(getattr(HashCollection, name))]
NAMES = {  # that annotations mention, and that are imported for type checkers alone
    **{kind.__name__: kind for kind in (Counts, Encoder, Path, Query, Record, Reject, Tls)},
    **{"IO": IO, "Image": Image, "ImageSource": ImageSource, "NDArray": NDArray, "Unpack": Unpack, "np": np},
    "VideoSource": VideoSource,
}
CODES = np.random.default_rng(0).integers(0, 256, (400, 8), dtype=np.uint8)


def signature(function) -> dict[str, tuple[object, object]]:
    """What a function takes and returns, each with its type and default; the names in ``**options`` one by one."""
    hints = get_type_hints(function, localns=NAMES)
    found = {"return": (hints.get("return"), None)}
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name)
        if parameter.kind is parameter.VAR_KEYWORD:
            (group,) = get_args(hint)
            options = get_type_hints(group, localns=NAMES)
            found |= {option: (kind, "in a group") for option, kind in options.items()}
        else:
            found[name] = (hint, (parameter.kind, parameter.default))
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_take_and_give_what_the_blocking_ones_do(verb):
    blocking, awaited = getattr(HashCollection, verb), getattr(AsyncHashCollection, verb)
    assert inspect.iscoroutinefunction(awaited) or inspect.isasyncgenfunction(inspect.unwrap(awaited))
    expected = signature(blocking)
    if expected["return"][0] is HashCollection:
        expected["return"] = (AsyncHashCollection, None)
    if get_origin(expected["return"][0]) is Iterator:
        expected["return"] = (AsyncIterator[get_args(expected["return"][0])], None)
    assert signature(awaited) == expected


def test_names_are_types_and_the_types_know_every_name():
    for verb, option, names in (
        (HashCollection.search, "into", MODALITIES),
        (HashCollection.within, "into", MODALITIES),
        (HashCollection.count, "modality", MODALITIES),
        (HashCollection.create, "index", ("auto", *KINDS)),
        (HashCollection.open, "consistency", LEVELS),
    ):
        hint, _ = signature(verb)[option]
        known = {name for kind in (hint, *get_args(hint)) for name in get_args(kind) if isinstance(name, str)}
        assert known == set(names), (verb, option)


def rows(codes=CODES):
    return [CodeRow(f"i{n}", "image", 0, code, {"n": n}) for n, code in enumerate(codes)]


def test_every_verb_gives_what_the_blocking_one_gives(flat_store, tiny_encoder):
    name = f"async_{flat_store.index}_{time.monotonic_ns()}"

    async def check():
        async with await AsyncHashCollection.create(name, tiny_encoder, uri=flat_store.uri, timeout=60) as awaited:
            assert await awaited.add_codes(rows()) == len(CODES)
            assert (await awaited.add([Record(id="t", texts=("a red flower",))])).written == 1
            await awaited.flush()
            with HashCollection.open(name, tiny_encoder, uri=flat_store.uri, timeout=60) as blocking:
                assert await awaited.count("image", "n < 7") == blocking.count("image", "n < 7") == 7
                for options in ({}, {"complete": True}, {"filter": "n > 5", "offset": 2, "output_fields": ["n"]}):
                    expected = blocking.search(text="a red flower", **options)
                    assert await awaited.search(text="a red flower", **options) == expected
                    assert len(expected) >= 8
                assert await awaited.search_codes(CODES[:3], limit=2) == blocking.search_codes(CODES[:3], limit=2)
                queries = [tiny_encoder.query(text=text) for text in ("a", "b")]
                found = await awaited.search_many(queries, rescore=True)
                assert found == blocking.search_many(queries, rescore=True)
                near = await awaited.within(20, code=CODES[0])
                assert near == blocking.within(20, code=CODES[0])
                assert near[0].item == "i0"
                got = await awaited.get(["i3", "t"])
                assert [row.item for row in got] == ["i3", "t"]
                assert bytes(got[0].code) == CODES[3].tobytes()
                keys = [primary_key(item, "image", 0) for item in ("i1", "absent")]
                assert await awaited.existing(keys) == {keys[0]}
            await awaited.drop()
        assert not await AsyncHashCollection.exists(name, uri=flat_store.uri)

    asyncio.run(check())


def test_many_searches_at_once_are_each_right(flat_store, tiny_encoder):
    with flat_store.create() as collection:
        collection.add_codes(rows())

        async def search_all():
            async with await AsyncHashCollection.open(collection.name, tiny_encoder, uri=flat_store.uri) as awaited:
                return await asyncio.gather(*(awaited.search(code=code, limit=1) for code in CODES[:50]))

        found = asyncio.run(search_all())
        assert [(hits[0].item, hits[0].distance) for hits in found] == [(f"i{n}", 0) for n in range(50)]


def test_a_search_sees_what_was_written_before_it(flat_store, tiny_encoder):
    """On a server a session read would miss what another client of the process has just written."""
    collection = flat_store.create()

    async def check():
        awaited = AsyncHashCollection(collection)
        for n in range(5):
            await awaited.add_codes([CodeRow(f"i{n}", "image", 0, CODES[n])])
            assert (await awaited.search(code=CODES[n], limit=1))[0].item == f"i{n}"
        await awaited.close()

    asyncio.run(check())


def test_encoding_leaves_the_loop_free(lite_store, monkeypatch):
    """A clock on the loop goes on ticking while a question is being encoded; were it blocked, this would fail."""
    ticks = 0

    def slow_ask(*args, **asked):
        before, end = ticks, time.monotonic() + 5
        while ticks < before + 3:
            assert time.monotonic() < end, "the loop is blocked"
            time.sleep(0.01)
        return ask(*args, **asked)

    async def clock():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def check():
        ticking = asyncio.create_task(clock())
        async with AsyncHashCollection(lite_store.create()) as awaited:
            assert await awaited.search(text="a red flower") == []
        ticking.cancel()

    monkeypatch.setattr("milvus_hash.query.asked.ask", slow_ask)
    asyncio.run(check())


def test_a_cancelled_call_leaves_it_usable(flat_store):
    collection = flat_store.create()
    collection.add_codes(rows())

    async def check():
        awaited = AsyncHashCollection(collection)
        for pause in (0, 0.001, 0.005, 0.02):
            tasks = [asyncio.create_task(awaited.search(code=code)) for code in CODES[:20]]
            await asyncio.sleep(pause)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert [hits for hits in done[1::2] if isinstance(hits, Exception)] == []
        assert await awaited.count() == len(CODES)
        await awaited.close()
        with pytest.raises(StoreError, match="is closed: open it again"):
            await awaited.count()
        await awaited.close()  # closing twice is nothing

    asyncio.run(check())


def test_errors_are_those_of_the_blocking_one(lite_store, tiny_encoder, other_encoder):
    collection = lite_store.create()

    async def check():
        with pytest.raises(BundleMismatch):
            await AsyncHashCollection.open(collection.name, other_encoder, uri=lite_store.uri)
        async with AsyncHashCollection(collection) as awaited:
            with pytest.raises(InputError, match="limit=0"):
                await awaited.search(text="a", limit=0)
            with pytest.raises(StoreError, match=r"the filter 'nonsense ==' on"):
                await awaited.search(text="a", filter="nonsense ==")
            collection.table.connection.call("dropping", "drop_collection", collection.name)
            with pytest.raises(StoreError, match=f"searching '{collection.name}'"):
                await awaited.search(text="a")

    asyncio.run(check())

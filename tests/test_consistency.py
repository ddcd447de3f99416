"""What a read sees of what was written before."""

from __future__ import annotations

import asyncio

import pytest
from test_collection import random_codes
from test_collection_connection import eventually

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError


@pytest.mark.parametrize("level", ["Strong", "Session", "Bounded", "Eventually"])
def test_consistency_levels(flat_store, tiny_encoder, level):
    """With any of them the rows are found in the end, by Strong at once."""
    with flat_store.create(consistency=level) as collection:
        for n in range(3):
            collection.add_codes([CodeRow(f"i{n}", "image", 0, bytes([n] * 8))])
            assert level != "Strong" or len(collection.search(code=bytes(8))) == n + 1

        def all_there():
            assert len(collection.search(code=bytes(8))) == 3

        eventually(all_there)


def test_a_consistency_level_that_is_none(lite_uri, tiny_encoder):
    with pytest.raises(InputError, match="consistency 'strong': use one of Strong, Session, Bounded, Eventually"):
        HashCollection.create("any", tiny_encoder, uri=lite_uri, consistency="strong")


def test_a_search_sees_what_this_process_wrote_just_now(server_uri, tiny_encoder):
    """Without asking for what others wrote, which takes Milvus 0.2 s longer."""
    codes = random_codes(30, bits=64, seed=7)
    with HashCollection.create("own", tiny_encoder, uri=server_uri, timeout=60) as collection:
        collection.add_codes([CodeRow("other", "image", 0, bytes(8))])
        collection.search(code=bytes(8))
        awaited = AsyncHashCollection(collection)

        async def see() -> None:
            for number, code in enumerate(codes):
                await awaited.count()
                await awaited.search(code=code)
                await awaited.add_codes([CodeRow(f"{number}", "image", 0, code)])
                assert collection.table.consistency.level == "Session"
                found = await awaited.search(code=code) if number % 2 else collection.search(code=code)
                assert found[0].item == f"{number}"
                if number % 3 == 0:
                    assert collection.delete([f"{number}"]) == 1
                    assert collection.table.consistency.level == "Strong"
                    assert f"{number}" not in [hit.item for hit in collection.search(code=code)]
            await awaited.drop()

        asyncio.run(see())


def test_a_write_that_failed_asks_for_all_again(flat_store):
    with flat_store.create() as collection:
        collection.search(code=bytes(8))
        assert collection.table.consistency.level == "Session"
        with pytest.raises(InputError):
            collection.add_codes([CodeRow("a", "image", 0, bytes(8)), CodeRow("b", "image", 0, b"")])
        assert collection.table.consistency.level == "Strong"
        collection.search(code=bytes(8))
        assert collection.table.consistency.level == "Session"

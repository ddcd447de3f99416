"""Values as conditions: what users type finds what it says and no more, in every call that takes a filter."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from milvus_hash import AsyncHashCollection, quoted
from milvus_hash.collection import CodeRow
from milvus_hash.errors import InputError
from milvus_hash.query.filters import check_condition
from milvus_hash.query.where import narrowed

TENANTS = [
    "a",
    "b",
    'a" or tenant != "',
    "a' or '1' == '1",
    "a\\",
    'a\\"',
    "a) or (true",
    "line\nbreak",
    "漢 😀",
    "%",
    "",
]


@pytest.fixture
def shared(flat_store):
    collection = flat_store.create(fields={"size": int})
    collection.add_codes(
        CodeRow(f"i{n}", "text", 0, np.zeros(8, np.uint8), {"tenant": t, "size": n, "half": n / 2, "new": n > 5})
        for n, t in enumerate(TENANTS)
    )
    return collection


def test_tenants_are_held_apart(shared):
    for n, tenant in enumerate(TENANTS):
        where = {"tenant": tenant}
        found = [
            shared.search(code=bytes(8), into=None, where=where),
            shared.search_codes(np.zeros((1, 8), np.uint8), into="text", where=where)[0],
            shared.within(3, code=bytes(8), into="text", where=where),
            shared.search(code=bytes(8), into=None, filter=f"tenant == {quoted(tenant)}"),
        ]
        assert [[hit.item for hit in hits] for hits in found] == [[f"i{n}"]] * 4, tenant
        assert shared.count(where=where) == shared.count("text", where=where) == 1
        assert shared.count(filter="size >= 0 or size < 0", where=where) == 1
        for leaving in ("size >= 0) or (size < 0", 'size == 1 or "'):
            with pytest.raises(InputError, match="is missing"):
                shared.count(filter=leaving, where=where)


def test_values_of_every_kind(shared):
    counts = [
        ({}, 11),
        (None, 11),
        ({"size": 3}, 1),
        ({"size": np.int64(3), "half": np.float32(1.5)}, 1),
        ({"size": [1, 2, 99]}, 2),
        ({"tenant": ("a", "b"), "new": False}, 2),
        ({"tenant": {"a"}}, 1),
        ({"new": True}, 5),
        ({"half": 0.5}, 1),
        ({"modality": "text", "item": "i3"}, 1),
    ]
    for where, count in counts:
        assert shared.count(where=where) == count, where
    assert shared.delete(where={"tenant": 'a" or tenant != "'}) == 1
    assert shared.count() == 10


def test_asynchronously(flat_store, tiny_encoder):
    async def found():
        name = f"{flat_store.create().name}_where"
        collection = await AsyncHashCollection.create(name, tiny_encoder, uri=flat_store.uri, index="BIN_FLAT")
        async with collection:
            await collection.add_codes([CodeRow(t, "text", 0, bytes(8), {"tenant": t}) for t in ("a", "b")])
            where = {"tenant": "a"}
            hits = await collection.search(code=bytes(8), into="text", where=where)
            hits += await collection.within(3, code=bytes(8), into="text", where=where)
            numbers = (
                await collection.count(where=where),
                await collection.delete(where=where),
                await collection.count(),
            )
            await collection.drop()
        return [hit.item for hit in hits], numbers

    assert asyncio.run(found()) == (["a", "a"], (1, 1, 1))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"brand": None}, "leave the field out, or write a filter"),
        ({"brand": float("nan")}, "take a finite number"),
        ({"brand": [1, float("inf")]}, "take a finite number"),
        ({"brand": []}, "ask with one at least"),
        ({"brand": {"a": 1}}, "a text, a number, a bool or a list"),
        ({"brand": b"nike"}, "a text, a number, a bool or a list"),
        ({"brand": 2**63}, "take a float or a text"),
        ({"brand": "\ud800"}, "half of a surrogate pair"),
        ({'a == 1 or "b"': 1}, "write a filter for it"),
        ({"in": 1}, "write a filter for it"),
        ({"true": 1}, "write a filter for it"),
        ({"$meta": 1}, "write a filter for it"),
        ({"größe": 1}, "write a filter for it"),
        ({"": 1}, "write a filter for it"),
        ({3: 1}, "write a filter for it"),
        ("brand", "values by field are needed"),
        ([("brand", "nike")], "values by field are needed"),
    ],
)
def test_what_is_no_condition(empty_collection, where, message):
    for ask in (empty_collection.count, lambda where: empty_collection.search(code=bytes(8), where=where)):
        with pytest.raises(InputError, match=message):
            ask(where=where)


def test_a_filter_and_values_are_met_together():
    assert narrowed("", {"a": "x"}) == 'a == "x"'
    assert narrowed("b == 1 or c == 2", {"a": 1}) == "(b == 1 or c == 2) and (a == 1)"
    assert check_condition(narrowed("", {"a": "x\ty"}), lite=True) == 'a == "x\ty"'

"""More like an item that is there: its own codes ask, and it is not among the answers."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from test_collection import random_codes

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.codes import hamming
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError

PICTURES = random_codes(300, seed=8)
TEXTS = random_codes(300, seed=9)


@pytest.fixture
def filled(flat_store) -> HashCollection:
    made = flat_store.create()
    for modality, codes in (("image", PICTURES), ("text", TEXTS)):
        made.add_codes(CodeRow(f"it's {n}", modality, 0, code, {"n": n}) for n, code in enumerate(codes))
    made.add_codes([CodeRow("captions", "text", n, code) for n, code in enumerate(TEXTS[:2] ^ np.uint8(1))])
    return made


def nearest(code: np.ndarray, codes: np.ndarray, without: int, limit: int) -> list[int]:
    distances = hamming(code[None], codes)[0]
    distances[without] = 999
    return sorted(distances.tolist())[:limit]


def test_pictures_like_a_picture(filled):
    hits = filled.search(item="it's 7", limit=20)
    assert [hit.distance for hit in hits] == nearest(PICTURES[7], PICTURES, 7, 20)
    assert "it's 7" not in [hit.item for hit in hits]
    assert {hit.modality for hit in hits} == {"image"}


def test_texts_like_an_item_go_by_its_texts(filled):
    hits = filled.search(item="it's 7", into="text", limit=20)
    assert [hit.distance for hit in hits if hit.item != "captions"][:15] == nearest(TEXTS[7], TEXTS, 7, 15)


def test_an_item_without_the_modality_asks_with_what_it_has(filled):
    first, second = TEXTS[:2] ^ np.uint8(1)
    differing = np.unpackbits(first) != np.unpackbits(second)
    assert differing.any()  # where the first one decides
    hits = filled.search(item="captions", limit=10)
    assert [hit.distance for hit in hits] == sorted(hamming(first[None], PICTURES)[0].tolist())[:10]


def test_beside_other_parts_and_in_the_other_verbs(filled):
    mixed = filled.search(item=[("it's 7", 1.0), ("it's 9", -0.5)], text="a red flower", limit=300, exclude=["it's 11"])
    assert len(mixed) == 297
    assert {"it's 7", "it's 9", "it's 11"}.isdisjoint(hit.item for hit in mixed)
    close = filled.within(30, item="it's 7")
    assert [hit.distance for hit in close] == [d for d in nearest(PICTURES[7], PICTURES, 7, 299) if d <= 30]
    paged = [hit for page in filled.pages(70, item="it's 7", exclude=["it's 8"]) for hit in page]
    assert len(paged) == 298
    by_item = filled.search(item="it's 7", into=None, by_item=True, limit=1000)
    assert len(by_item) == 300
    assert "it's 7" not in [hit.item for hit in by_item]


def test_awaited(filled):
    async def ask() -> list:
        awaited = AsyncHashCollection(filled)
        return [await awaited.search(item="it's 7", limit=20), await awaited.within(30, item="it's 7")]

    assert asyncio.run(ask()) == [filled.search(item="it's 7", limit=20), filled.within(30, item="it's 7")]


def test_what_cannot_be_asked(filled, tiny_encoder):
    with pytest.raises(InputError, match=r"item 'gone' has no row in '.*': nothing can be like it"):
        filled.search(item="gone")
    with pytest.raises(InputError, match=r"exclude takes a list of items; write \['a'\]"):
        filled.search(text="a", exclude="a")
    with pytest.raises(InputError, match=r"ask their collection, with collection.search\(item=...\)"):
        tiny_encoder.query(item="it's 7")
    with pytest.raises(InputError, match="cannot be mixed with other parts; item and code are given"):
        filled.search(item="it's 7", code=bytes(8))
    with pytest.raises(TypeError, match="no argument 'radios'"):
        filled.within(3, item="it's 7", radios=3)

"""Pages of hits: together they are the whole answer, in one order, whatever is written meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from test_collection import random_codes

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.codes import hamming
from milvus_hash.collection import CodeRow, HashCollection, primary_key
from milvus_hash.errors import InputError, StoreError
from milvus_hash.query import within
from milvus_hash.query.hits import Hit

CODES = random_codes(2200, seed=3) & np.uint8(0x11)  # 16 free bits: many rows are at the same distance
QUESTION = bytes(8)


def rows(codes: np.ndarray = CODES, prefix: str = "i") -> Iterator[CodeRow]:
    for number, code in enumerate(codes):
        yield CodeRow(f"{prefix} {number}", "image", 0, code, {"n": number})


def places(codes: np.ndarray = CODES, prefix: str = "i") -> list[tuple[int, str]]:
    """All rows in the order of pages, by brute force."""
    distances = hamming(np.frombuffer(QUESTION, np.uint8)[None], codes)[0].tolist()
    return sorted((d, primary_key(f"{prefix} {n}", "image", 0)) for n, d in enumerate(distances))


def place(hit: Hit) -> tuple[int, str]:
    return hit.distance, primary_key(hit.item, hit.modality, hit.ordinal)


@pytest.fixture
def filled(store) -> HashCollection:
    made = store.create()
    made.add_codes(rows())
    made.flush()
    return made


def test_pages_are_the_whole_answer_in_order(filled):
    for size in (1000, 37):
        pages = list(filled.pages(size, code=QUESTION))
        assert [len(page) for page in pages[:-1]] == [size] * (len(CODES) // size)
        assert [place(hit) for page in pages for hit in page] == places()
        assert all(hit.fields == {"n": int(hit.item.split()[1])} for page in pages for hit in page)


def test_a_page_follows_a_hit_that_came_back_from_a_browser(filled):
    first = next(filled.pages(50, code=QUESTION))
    kept = first[-1].to_dict()
    second = next(filled.pages(50, code=QUESTION, after=Hit(**kept), output_fields=[]))
    assert [place(hit) for hit in second] == places()[50:100]
    assert {str(hit.fields) for hit in second} == {"{}"}


def test_no_double_and_no_gap_while_rows_are_added_and_deleted(filled):
    seen: list[Hit] = []
    more = random_codes(1000, seed=4) & np.uint8(0x11)
    for number, page in enumerate(filled.pages(100, code=QUESTION)):
        seen += page
        filled.add_codes(rows(more[number * 40 : number * 40 + 40], prefix=f"new {number}"))
        filled.delete([f"gone {number}"])
    assert len({hit.item for hit in seen}) == len(seen)
    assert [place(hit) for hit in seen if hit.item.startswith("i ")] == places()
    assert [place(hit) for hit in seen] == sorted(place(hit) for hit in seen)


@pytest.mark.parametrize("fits", [60, 300])
def test_more_rows_at_one_distance_than_a_search_returns(filled, monkeypatch, fits):
    monkeypatch.setattr(within, "MAX_LIMIT", fits)
    monkeypatch.setattr(within, "_SPARE", 2)
    monkeypatch.setattr(within, "_FIRST", 50)
    found = [place(hit) for page in filled.pages(45, code=QUESTION, output_fields=[]) for hit in page]
    assert found == places()


def test_filters_and_awaited_pages(filled):
    async def read() -> list[Hit]:
        awaited = AsyncHashCollection(filled)
        return [hit async for page in awaited.pages(64, code=QUESTION, filter="n < 700") for hit in page]

    assert [place(hit) for hit in asyncio.run(read())] == places(CODES[:700])
    assert [place(hit) for page in filled.pages(64, code=QUESTION, where={"n": [5, 6]}) for hit in page] == sorted(
        one for one in places() if one[1] in (primary_key("i 5", "image", 0), primary_key("i 6", "image", 0))
    )


def test_what_cannot_be_asked(empty_collection):
    with pytest.raises(InputError, match="after is a str"):
        next(empty_collection.pages(after="i 5", code=QUESTION))
    with pytest.raises(InputError, match="size=0"):
        next(empty_collection.pages(0, code=QUESTION))
    assert list(empty_collection.pages(code=QUESTION)) == []


def test_an_index_that_misses_rows_has_no_pages(server_uri, tiny_encoder):
    with HashCollection.create("auto_pages", tiny_encoder, uri=server_uri, timeout=60, index="AUTOINDEX") as made:
        with pytest.raises(StoreError, match="may miss rows"):
            next(made.pages(code=QUESTION))
        made.drop()

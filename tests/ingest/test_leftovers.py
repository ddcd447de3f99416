"""An item that is added again has the rows of its new record, and no others."""

from __future__ import annotations

import asyncio

import pytest
from PIL import Image

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import HashCollection
from milvus_hash.ingest import ingest, leftovers
from milvus_hash.record import Record


def rows(collection: HashCollection, item: str) -> list[tuple[str, int]]:
    return [(row.modality, row.ordinal) for row in collection.get([item])]


@pytest.fixture
def filled(flat_store) -> HashCollection:
    made = flat_store.create()
    picture = Image.new("RGB", (40, 30), "red")
    for item in ("it's a", "b", "line\rbreak"):
        made.add(Record(item, image=picture, texts=("one", "two", "three"), metadata={"price": 1}))
    return made


def test_what_the_new_record_does_not_name_is_gone(filled):
    assert len(filled.get(["it's a"])) == 4
    done = filled.add([Record("it's a", texts=("uno", "dos")), Record("line\rbreak", texts=("un",))])
    assert (done.written, done.rejected) == (3, 0)
    assert rows(filled, "it's a") == [("text", 0), ("text", 1)]
    assert [row.fields for row in filled.get(["it's a"])] == [{"text": "uno"}, {"text": "dos"}]
    assert rows(filled, "line\rbreak") == [("text", 0)]
    assert len(filled.get(["b"])) == 4
    assert filled.count() == 7


def test_an_input_that_is_rejected_leaves_the_row_that_was_there(filled):
    done = asyncio.run(AsyncHashCollection(filled).add(Record("b", image="nowhere.png", texts=("uno",))))
    assert (done.written, done.rejected) == (1, 1)
    assert rows(filled, "b") == [("image", 0), ("text", 0)]
    assert filled.get(["b"])[1].fields == {"text": "uno"}
    filled.add([Record("b")])
    assert rows(filled, "b") == [("image", 0), ("text", 0)]  # a record of nothing is a reject and deletes nothing


def test_many_items_in_parts_and_one_that_comes_twice(filled, monkeypatch):
    monkeypatch.setattr(leftovers, "_ITEMS_AT_ONCE", 2)
    again = [Record(item, texts=("a", "b")) for item in ("it's a", "b", "c", "line\rbreak")]
    filled.add([*again, Record("b", texts=("last",))])
    assert {item: rows(filled, item) for item in ("it's a", "b", "c", "line\rbreak")} == {
        "it's a": [("text", 0), ("text", 1)],
        "b": [("text", 0)],
        "c": [("text", 0), ("text", 1)],
        "line\rbreak": [("text", 0), ("text", 1)],
    }
    assert filled.get(["b"])[0].fields == {"text": "last"}


def test_ingest_leaves_them_unless_it_is_told(filled):
    ingest([Record("b", texts=("uno",))], filled)
    assert len(filled.get(["b"])) == 4
    ingest([Record("b", texts=("uno",))], filled, replace=True)
    assert rows(filled, "b") == [("text", 0)]

"""Other metadata for rows that are there, without encoding."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from test_collection import random_codes

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError

CODES = random_codes(40, seed=6)


@pytest.fixture
def shop(flat_store) -> HashCollection:
    made = flat_store.create(fields={"price": float})
    for modality in ("image", "text"):
        made.add_codes(
            CodeRow(f"it's {n}", modality, 0, code, {"price": float(n), "brand": "nike", "text": f"shoe {n}"})
            for n, code in enumerate(CODES)
        )
    return made


def test_fields_change_and_all_else_stays(shop):
    assert shop.update(["it's 3", "it's 5", "unknown"], {"price": 9.5, "sale": True, "brand": None}) == 4
    for row in shop.get(["it's 3"]):
        assert row.fields == {"price": 9.5, "sale": True, "text": "shoe 3"}
        assert np.array_equal(row.code, CODES[3])
    assert shop.get(["it's 4"])[0].fields == {"price": 4.0, "brand": "nike", "text": "shoe 4"}
    assert shop.count() == 80
    assert shop.search(code=CODES[5], limit=1, filter="price == 9.5")[0].item == "it's 5"


def test_of_one_modality_and_a_declared_field_taken_away(shop):
    assert asyncio.run(AsyncHashCollection(shop).update(["it's 3"], {"price": None}, modality="text")) == 1
    image, text = shop.get(["it's 3"])
    assert image.fields["price"] == 3.0
    assert "price" not in text.fields


def test_many_items_in_parts(shop, monkeypatch):
    monkeypatch.setattr("milvus_hash.query.update._ITEMS_AT_ONCE", 7)
    assert shop.update([f"it's {n}" for n in range(40)], {"stock": 0}) == 80
    assert shop.count(filter="stock == 0") == 80


def test_what_cannot_be_changed(shop):
    with pytest.raises(InputError, match=r"write \['it's 3'\]|write \[\"it's 3\"\]"):
        shop.update("it's 3", {"price": 1.0})
    with pytest.raises(InputError, match="uses the field name"):
        shop.update(["it's 3"], {"code": b""})
    assert shop.update([], {"price": 1.0}) == 0

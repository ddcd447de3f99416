"""How often each value stands in the rows that a search looks at."""

from __future__ import annotations

import asyncio

import pytest
from test_collection import random_codes

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError

CODES = random_codes(3000, seed=5)


@pytest.fixture
def shop(flat_store) -> HashCollection:
    made = flat_store.create(fields={"brand": str, "price": float})
    made.add_codes(
        CodeRow(
            f"{n}",
            "text" if n % 10 == 0 else "image",
            0,
            code,
            {"brand": ["nike", "adidas", 'it\'s "new"', None][n % 4], "size": n % 3, "tags": ["a", f"t{n % 2}", "a"]},
        )
        for n, code in enumerate(CODES)
    )
    return made


def expected(value, modality: str = "image", where=lambda n: True) -> int:
    pictures = [n for n in range(len(CODES)) if (n % 10 == 0) == (modality == "text") and where(n)]
    return sum(value(n) for n in pictures)


def test_values_of_declared_undeclared_and_list_fields(shop):
    brands = shop.facets("brand")
    assert brands == {
        "adidas": expected(lambda n: n % 4 == 1),
        'it\'s "new"': expected(lambda n: n % 4 == 2),
        "nike": expected(lambda n: n % 4 == 0),
    }
    assert list(brands.values()) == sorted(brands.values(), reverse=True)
    assert shop.facets("tags") == {
        "a": expected(lambda n: 1),
        "t0": expected(lambda n: n % 2 == 0),
        "t1": expected(lambda n: n % 2 == 1),
    }
    assert shop.facets("size", into="text", where={"brand": "nike"}) == {
        size: expected(lambda n, size=size: n % 3 == size, "text", lambda n: n % 4 == 0) for size in range(3)
    }
    assert sum(shop.facets("size", into=None).values()) == len(CODES)
    assert shop.facets("price") == {}


def test_they_follow_what_is_written_and_deleted(shop):
    shop.delete(filter='brand == "nike"')
    shop.add_codes([CodeRow("new", "image", 0, bytes(8), {"brand": "puma"})])
    assert shop.facets("brand")["puma"] == 1
    assert "nike" not in shop.facets("brand")


def test_awaited(shop):
    async def ask() -> dict:
        return await AsyncHashCollection(shop).facets("brand", filter="size == 1")

    assert asyncio.run(ask()) == shop.facets("brand", filter="size == 1")


def test_what_cannot_be_counted(shop):
    with pytest.raises(InputError, match=r"facets: no row of .* has a field 'colour'"):
        shop.facets("colour")
    shop.add_codes([CodeRow("odd", "image", 0, bytes(8), {"size": {"eu": 42}})])
    with pytest.raises(InputError, match="is no value to count"):
        shop.facets("size")
    with pytest.raises(InputError, match="unknown modality 'pictures'"):
        shop.facets("brand", into="pictures")

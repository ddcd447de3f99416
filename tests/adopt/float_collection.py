"""Float collections as other programs leave them: made by plain pymilvus, without this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import pytest
from plain_pymilvus import plain_client
from pymilvus import DataType, MilvusClient

from milvus_hash.store import limits
from milvus_hash.store.float_codes import to_bytes

WIDTH = 64
_numbers = count(1)


def small_pages(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let walks read pages of about ``size`` bytes, so that some hundred rows take several."""
    for name in ("FIRST_BYTES", "BYTES", "LITE_BYTES"):
        monkeypatch.setattr(limits, name, size)


def clustered(rows: int, *, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """Vectors float32 ``(rows, width)`` around thirty centres, as embeddings lie: near to some, far from most."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((30, width))
    return (centres[rng.integers(30, size=rows)] + 0.5 * rng.standard_normal((rows, width))).astype(np.float32)


def _code(stored: list) -> bytes:
    """A code as a plain client gets it; from Milvus Lite 3 as floats."""
    code: bytes = stored[0] if isinstance(stored[0], bytes) else to_bytes([stored])[0]
    return code


class FloatCollection:
    """A collection with a vector, a price and a name for each key."""

    def __init__(
        self, uri: str, *, text_keys: bool = False, metric: str = "COSINE", kind: str = "FLOAT_VECTOR"
    ) -> None:
        self.uri = uri
        self.name = f"floats_{next(_numbers)}"
        self.codes = f"{self.name}_codes"
        self.kind = kind
        self.client = plain_client(uri)
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
        if text_keys:
            schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        else:
            schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType[kind], dim=WIDTH)
        schema.add_field("price", DataType.INT64)
        schema.add_field("name", DataType.VARCHAR, max_length=200)
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type=metric)
        self.client.create_collection(self.name, schema=schema, index_params=index, consistency_level="Strong")

    def put(self, keys: Sequence[Any], vectors: np.ndarray, prices: Sequence[int] | None = None) -> None:
        prices = range(len(keys)) if prices is None else prices
        rows = [
            {"id": key, "vector": self._value(vector), "price": price, "name": f"n{price}", "extra": price % 7}
            for key, vector, price in zip(keys, vectors, prices, strict=True)
        ]
        self.client.upsert(self.name, rows)

    def delete(self, keys: Sequence[Any]) -> None:
        self.client.delete(self.name, filter=f"id in {list(keys)}")

    def stored(self, name: str = "", fields: Sequence[str] = ("id", "vector", "price", "name", "extra")) -> dict:
        rows = self.client.query(
            name or self.name, filter="", limit=10_000, output_fields=list(fields), consistency_level="Strong"
        )
        return {row["id"]: {field: row[field] for field in fields} for row in rows}

    def stored_codes(self, *fields: str) -> dict[Any, tuple]:
        rows = self.stored(self.codes, ("id", "code", *fields))
        return {key: (_code(row["code"]), *(row[field] for field in fields)) for key, row in rows.items()}

    def drop(self) -> None:
        for name in (self.name, self.codes):
            if self.client.has_collection(name):
                self.client.drop_collection(name)
        self.client.close()

    def _value(self, vector: np.ndarray) -> Any:
        if self.kind == "FLOAT_VECTOR":
            return vector
        if self.kind == "FLOAT16_VECTOR":
            return vector.astype(np.float16)
        return (vector.view(np.uint32) >> 16).astype(np.uint16).tobytes()  # bfloat16, rounded towards zero


@contextmanager
def float_collection(uri: str, **options: Any) -> Iterator[FloatCollection]:
    made = FloatCollection(uri, **options)
    try:
        yield made
    finally:
        made.drop()

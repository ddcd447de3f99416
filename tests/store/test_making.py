"""A collection is made whole or not at all, and nobody drops what somebody else has made."""

from __future__ import annotations

import pytest

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.store import catalog
from milvus_hash.store.connection import Connection
from milvus_hash.store.description import exists
from milvus_hash.store.making import making
from milvus_hash.store.schema import Provenance, build_schema

ROWS = [CodeRow(f"{n}", "image", 0, bytes(8)) for n in range(100)]


def test_what_cannot_be_completed_is_dropped(flat_store, tiny_encoder):
    connection = Connection(flat_store.uri, timeout=60)
    schema = build_schema(Provenance("tiny", tiny_encoder.fingerprint, 64), {}, ())
    with pytest.raises(KeyboardInterrupt), making(connection, "half", schema):
        raise KeyboardInterrupt
    assert not exists(connection, "half")
    connection.close()


@pytest.mark.parametrize("when", ["before it is made", "while it is completed"])
def test_who_comes_second_leaves_the_rows_of_the_first(flat_store, tiny_encoder, monkeypatch, when):
    """Both asked whether it was there before either made it."""
    first = flat_store.create()
    first.add_codes(ROWS)
    monkeypatch.setattr(catalog, "exists", lambda *_: False)
    if when == "while it is completed":

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(catalog, "create_index", interrupted)
    with pytest.raises(StoreError, match=f"another process made '{first.name}' just now: open it"):
        HashCollection.create(first.name, tiny_encoder, uri=flat_store.uri, index="BIN_FLAT", timeout=60)
    monkeypatch.undo()
    assert first.count() == len(ROWS)
    assert len(first.search(code=bytes(8))) == 10

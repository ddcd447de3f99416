"""Metadata is stored, left out or refused in one way, whether a record or a ready code brings it."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError
from milvus_hash.record import Record

DECLARED = {"price": float, "year": int, "brand": str, "sold": bool}
STORED = [
    ({"price": None, "year": None, "brand": None}, {}),
    ({"price": math.nan, "year": math.nan, "brand": math.nan, "note": math.nan}, {}),
    ({"price": math.inf, "year": -math.inf, "note": math.inf}, {}),
    ({"price": np.float32("nan"), "note": None}, {}),
    ({"price": "4.5", "year": 2.0, "brand": 5, "sold": "true"}, {"price": 4.5, "year": 2, "brand": "5", "sold": True}),
    ({"price": 3, "year": np.int64(7)}, {"price": 3.0, "year": 7}),
    ({"note": {"a": [1.0, math.nan], "b": {2}}}, {"note": {"a": [1.0, None], "b": [2]}}),
    ({"day": datetime.date(2004, 2, 29), "size": np.float32(1.5)}, {"day": "2004-02-29", "size": 1.5}),
]
REFUSED = [
    ({"price": "inf"}, "the declared field 'price' is inf"),
    ({"price": "cheap"}, "'price' is 'cheap', which is not of type float"),
    ({"price": True}, "'price' is True, which is not of type float"),
    ({"year": 2.5}, "'year' is 2.5, which is not of type int"),
    ({"year": 2**63}, "column 'year': an integer of 64 bits"),
    ({"note": 2**63}, "column 'note': an integer of 64 bits"),
    ({"note": b"x"}, "column 'note': a bytes has no JSON form"),
    ({"note": "\ud800"}, "column 'note': the value is not UTF-8"),
    ({"note": ["a\0b"]}, "column 'note': the value contains a NUL"),
    ({"a\0b": 1}, "a column's name contains a NUL"),
    ({"brand": "x" * 65_536}, "'brand' has 65,536 bytes"),
    ({"sold": "perhaps"}, "'sold' is 'perhaps', which is not of type bool"),
]


@pytest.fixture(scope="module")
def collection(lite_uri, tiny_encoder):
    with HashCollection.create("metadata", tiny_encoder, uri=lite_uri, fields=DECLARED) as collection:
        yield collection
        collection.drop()


def code_row(metadata) -> CodeRow:
    return CodeRow("codes", "text", 0, bytes(8), metadata)


@pytest.mark.parametrize(("metadata", "fields"), STORED, ids=str)
def test_what_is_stored(collection, metadata, fields):
    assert collection.add([Record("records", texts=("x",), metadata=metadata)]).rejects == ()
    collection.add_codes([code_row(metadata)])
    by_record, by_code = (collection.get([item])[0].fields for item in ("records", "codes"))
    assert by_code == {"sold": False, **fields}
    assert by_record == {**by_code, "text": "x"}


@pytest.mark.parametrize(("metadata", "reason"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_refused(collection, metadata, reason):
    (reject,) = collection.add([Record("records", texts=("x",), metadata=metadata)]).rejects
    assert reason in reject.reason
    with pytest.raises(InputError, match="item 'codes'") as raised:
        collection.add_codes([code_row(metadata)])
    assert reason in str(raised.value)


def test_a_row_that_was_read_can_be_written_again(collection):
    collection.add_codes([code_row({"price": 2.5, "note": [1, {"a": None}]})])
    (row,) = collection.get(["codes"])
    collection.add_codes([row])
    assert collection.get(["codes"]) == [row]

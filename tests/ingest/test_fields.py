"""Metadata on its way to Milvus: types, JSON forms, names and sizes."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import pathlib
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_hash.errors import InputError
from milvus_hash.ingest.fields import MAX_DYNAMIC_BYTES, RESERVED, check_names, check_size, row_fields
from milvus_hash.manifest.json_value import json_value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param("é\N{GRINNING FACE}", "é\N{GRINNING FACE}", id="text"),
        pytest.param(True, True, id="bool"),
        pytest.param(2**63 - 1, 2**63 - 1, id="largest-int"),
        pytest.param(math.nan, None, id="nan"),
        pytest.param(-math.inf, None, id="infinity"),
        pytest.param(datetime.date(2004, 2, 29), "2004-02-29", id="date"),
        pytest.param(datetime.datetime(2004, 2, 29, 1), "2004-02-29T01:00:00", id="datetime"),
        pytest.param(datetime.time(1, 2), "01:02:00", id="time"),
        pytest.param(datetime.timedelta(minutes=2), 120.0, id="duration"),
        pytest.param(decimal.Decimal("9.99"), 9.99, id="decimal"),
        pytest.param(decimal.Decimal("NaN"), None, id="decimal-nan"),
        pytest.param(uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001", id="uuid"),
        pytest.param(pathlib.PurePosixPath("a/b"), "a/b", id="path"),
        pytest.param((1, {2: "x"}), [1, {"2": "x"}], id="nested"),
        pytest.param({"b", "a"}, ["a", "b"], id="set"),
        pytest.param(np.float32("nan"), None, id="numpy-nan"),
        pytest.param(np.int64(7), 7, id="numpy-int"),
        pytest.param(np.bool_(True), True, id="numpy-bool"),
        pytest.param(np.array([[1.5, np.inf]]), [[1.5, None]], id="numpy-array"),
        pytest.param(np.datetime64("2004-02-29"), "2004-02-29", id="numpy-date"),
        pytest.param(np.datetime64("NaT"), None, id="numpy-nat"),
    ],
)
def test_json_value(value, plain):
    found = json_value(value)
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize("value", [b"plain", b"\xff\xfe", 2**63, "\ud800", "a\0b", object(), 1j, [b"\xff"]])
def test_what_has_no_json_form_is_refused(value):
    with pytest.raises(InputError):
        json_value(value)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary() | st.decimals()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(values)
def test_every_value_becomes_strict_json_or_an_input_error(value):
    try:
        plain = json_value(value)
    except InputError:
        return
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        ("2004", int, 2004),
        (2004.0, int, 2004),
        (3, float, 3.0),
        ("2.5", float, 2.5),
        (5, str, "5"),
        ("TRUE", bool, True),
        (0, bool, False),
    ],
)
def test_a_declared_field_gets_its_type(value, kind, stored):
    fields = row_fields({"field": value}, {"field": kind})
    assert fields == {"field": stored}
    assert type(fields["field"]) is kind


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("many", int),
        (1.5, int),
        (True, int),
        ([1], int),
        (2**63, int),
        ("inf", float),
        ("maybe", bool),
        ({}, str),
        pytest.param("x" * 65_536, str, id="too-long"),
    ],
)
def test_a_declared_field_of_another_type_is_refused_by_name(value, kind):
    with pytest.raises(InputError, match=r"field|64 bits"):
        row_fields({"field": value}, {"field": kind})


@pytest.mark.parametrize("metadata", [{}, {"year": None}, {"year": math.nan}])
def test_a_declared_field_may_be_missing(metadata):
    """What stands in Milvus then is for the store to say."""
    assert row_fields(metadata, {"year": int}) == {}


def test_undeclared_nulls_are_left_out_and_the_column_of_a_bad_value_is_named():
    assert row_fields({"a": None, "b": math.nan, "c": 0}, {}) == {"c": 0}
    with pytest.raises(InputError, match="column 'blob'"):
        row_fields({"blob": b"\xff"}, {})


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_refused(name):
    with pytest.raises(InputError, match=rf"metadata column\(s\) {name.replace('$', '[$]')}: .*rename"):
        check_names({"fine": 1, name: 2})


def test_the_size_limit_counts_the_dynamic_field_only():
    room = MAX_DYNAMIC_BYTES - len('{"text":""}')
    check_size({"text": "x" * room, "note": "y" * 60_000}, {"note": str})
    with pytest.raises(InputError, match=f"{MAX_DYNAMIC_BYTES + 1:,} bytes as JSON"):
        check_size({"text": "x" * (room + 1)}, {})

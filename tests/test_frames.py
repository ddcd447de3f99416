"""Pandas: hits as a data frame, and a data frame as a source of records."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from milvus_hash.adopt.search import AdoptedHit
from milvus_hash.errors import InputError
from milvus_hash.manifest import read_manifest, read_source, write_manifest
from milvus_hash.query import Hit
from milvus_hash.query.frame import to_frame
from milvus_hash.record import Record, Reject

pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")

ROSE = Hit("rose", "image", 0, 3, 0.9, {"path": "/a/rose.png", "year": 2004})
TULIP = Hit("tulip", "text", 1, 5, 0.8, {"text": "a tulip", "score": 7})
ABOUT = ["item", "modality", "ordinal", "distance", "score"]


def records_of(frame) -> list[Record | Reject]:
    return list(read_source(frame))


def test_hits_of_one_question():
    frame = to_frame([ROSE, TULIP])
    assert list(frame.columns) == [*ABOUT, "path", "year", "text", "fields.score"]
    assert frame["item"].tolist() == ["rose", "tulip"]
    assert frame["distance"].dtype == np.int64
    assert frame["score"].tolist() == [0.9, 0.8]
    assert frame["fields.score"].isna().tolist() == [True, False]
    assert frame["year"].isna().tolist() == [False, True]


def test_hits_of_several_questions():
    frame = to_frame([[ROSE], [], [TULIP, ROSE]])
    assert list(frame.columns)[:6] == ["query", *ABOUT]
    assert frame["query"].tolist() == [0, 2, 2]
    assert frame.groupby("query").size().to_dict() == {0: 1, 2: 2}


def test_no_hits_are_no_rows():
    assert (list(to_frame([]).columns), len(to_frame([]))) == (ABOUT, 0)
    assert list(to_frame([[], []]).columns) == ["query", *ABOUT]


def test_hits_of_an_adopted_collection():
    frame = to_frame([AdoptedHit(7, 3, 0.5, {"title": "a", "pk": 8})])
    assert frame.to_dict("records") == [{"pk": 7, "distance": 3, "score": 0.5, "title": "a", "fields.pk": 8}]


@pytest.mark.parametrize("hits", [ROSE, ["rose"], "rose", 7, [[ROSE], "rose"], [7]], ids=str)
def test_what_is_no_list_of_hits_is_refused(hits):
    with pytest.raises(InputError, match=r"search\(\) or search_many\(\)"):
        to_frame(hits)


def test_what_a_collection_gives(lite_store, tiny_encoder):
    with lite_store.create() as collection:
        collection.add(read_source(pandas.DataFrame({"id": ["a", "b"], "text": ["red", "blue"], "year": [4, None]})))
        hits = collection.search(text="red", into="text")
        assert to_frame(hits).iloc[0][["item", "distance", "year"]].tolist() == ["a", 0, 4]
        many = collection.search_many([tiny_encoder.query(text=text) for text in ("red", "blue")], into="text", limit=1)
        assert to_frame(many)[["query", "item"]].to_numpy().tolist() == [[0, "a"], [1, "b"]]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_a_frame_gives_what_the_file_that_it_was_read_from_gives(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    given = [
        Record("7", image=str(tmp_path / "a.png"), texts=("red", "warm"), labels=("x", "y"), metadata={"year": 2004}),
        Record("b", texts=("blue",), splits=("train",), metadata={"price": 2.5}),
        Record("c", video=str(tmp_path / "c.mp4"), labels=("x",), metadata={"sold": True, "tags": ["p", "q"]}),
    ]
    path = tmp_path / f"manifest{suffix}"
    write_manifest(path, given)
    frame = pandas.read_parquet(path) if suffix == ".parquet" else pandas.read_json(path, lines=True, dtype=False)
    assert records_of(frame) == list(read_manifest(path)) == given


@pytest.mark.parametrize(
    "missing", [None, np.nan, "", pytest.param(pandas.NA, id="NA"), pytest.param(pandas.NaT, id="NaT")]
)
def test_missing_cells_are_empty(missing):
    frame = pandas.DataFrame(
        {
            "id": ["a"],
            "text": ["x"],
            **{name: pandas.Series([missing], dtype=object) for name in ("image", "labels", "n")},
        }
    )
    assert records_of(frame) == [Record("a", texts=("x",))]


@pytest.mark.parametrize("kind", ["int64", "float64", "Int64", "object", "category"])
def test_numbers_as_ids_are_texts(kind):
    frame = pandas.DataFrame({"id": pandas.Series([7, 8], dtype=kind), "text": ["x", "y"]})
    assert [record.id for record in records_of(frame)] == ["7", "8"]


def test_values_of_pandas_are_plain():
    frame = pandas.DataFrame(
        {
            "id": ["a"],
            "image": [Path("a.png")],
            "labels": [np.array([1, 2])],
            "when": [pandas.Timestamp("2004-02-29")],
            "kind": pandas.Categorical(["k"]),
            "n": pandas.Series([3], dtype="Int32"),
            "size": pandas.Series([np.int16(5)], dtype=object),
        }
    )
    assert records_of(frame) == [
        Record("a", image=str(Path("a.png").absolute()), labels=("1", "2"), metadata={
            "when": "2004-02-29T00:00:00", "kind": "k", "n": 3, "size": 5
        })
    ]  # fmt: skip
    assert type(records_of(frame)[0].metadata["size"]) is int
    day = pandas.DataFrame({"id": ["a"], "text": ["x"], "day": [datetime.date(2004, 2, 29)]})
    assert records_of(day)[0].metadata == {"day": "2004-02-29"}


def test_a_bad_row_costs_itself_and_is_named():
    frame = pandas.DataFrame({"id": ["a", "a", None, "d"], "text": ["x", "y", "z", 4]}, dtype=object)
    good, *bad = records_of(frame)
    assert good == Record("a", texts=("x",))
    assert [(reject.path, reject.reason) for reject in bad] == [
        ("the data frame:2", "the id is already taken by row the data frame:1"),
        ("the data frame:3", "the id is empty; a string or an integer is needed"),
        ("the data frame:4", "text holds a int; a string or a list of strings is needed"),
    ]


def test_an_index_called_id_is_the_id():
    frame = pandas.DataFrame({"id": ["a"], "text": ["x"]}).set_index("id")
    assert records_of(frame) == [Record("a", texts=("x",))]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pandas.DataFrame({"text": ["x"]}), "the data frame has no column 'id'"),
        (pandas.DataFrame({"id": ["x"]}), "the data frame has none of the columns 'image'"),
        (pandas.DataFrame({"id": [], "text": []}), "the data frame has no rows"),
        (pandas.DataFrame([["a", "b", "c"]], columns=["id", "text", "text"]), "needs a name of its own"),
        (pandas.Series(["x"]), "a pandas DataFrame is needed, not a Series of pandas"),
        (pyarrow.table({"id": ["a"]}), r"not a Table of pyarrow; its to_pandas\(\) makes one"),
        ([1], "a pandas DataFrame is needed, not a list of builtins"),
    ],
    ids=str,
)
def test_frames_that_cannot_be_read_are_refused(frame, message):
    with pytest.raises(InputError, match=message):
        records_of(frame)


def test_a_frame_in_place_of_records_names_the_next_step(empty_collection):
    with pytest.raises(InputError, match=r"read_source\(frame\) reads one"):
        empty_collection.add(pandas.DataFrame({"id": ["a"], "text": ["x"]}))


def test_without_pandas_the_pip_line_is_given():
    code = "import sys; sys.modules['pandas'] = None; from milvus_hash.query.frame import to_frame; to_frame([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip().endswith("pip install 'milvus-hash[frame]'"), done.stderr

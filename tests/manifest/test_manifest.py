"""Manifests: round trips through the three formats, and every bad input that keeps its own place."""

from __future__ import annotations

import json
import math
import string
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milvus_hash.errors import InputError
from milvus_hash.manifest import SPLITS, read_manifest, read_source, write_manifest
from milvus_hash.record import Record, Reject
from milvus_hash.store.schema import MAX_ITEM_BYTES

FORMATS = ("jsonl", "csv", "parquet")
NASTY = 'it\'s "the\nsecond", 😀; DROP TABLE x; -- 100%#/\\|'

strings = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
ids = st.one_of(strings.filter(str.strip), st.just(NASTY))
columns = st.text(string.ascii_lowercase, min_size=1, max_size=6).filter(
    lambda name: name not in ("id", "image", "video", "text", "labels", "split")
)
records = st.builds(
    Record,
    id=ids,
    image=st.just("pictures/a|b.png"),
    video=st.none() | st.just("clip.mp4"),
    texts=st.lists(strings, max_size=3).map(tuple),
    labels=st.lists(strings, max_size=3).map(tuple),
    splits=st.lists(st.sampled_from(SPLITS), min_size=1, unique=True).map(tuple),
    metadata=st.dictionaries(columns, strings, max_size=3),
)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path):
    return list(read_manifest(path))


def reasons(path):
    """Place and reason of each reject, and the ids of the records."""
    rows = read(path)
    good = [row.id for row in rows if isinstance(row, Record)]
    return good, [(row.path.removeprefix(f"{path}:"), row.reason) for row in rows if isinstance(row, Reject)]


@pytest.mark.parametrize("suffix", FORMATS)
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(records, min_size=1, max_size=4, unique_by=lambda record: record.id))
def test_what_is_written_is_read_back(suffix, rows, tmp_path):
    path = tmp_path / f"manifest.{suffix}"
    rows = [
        Record(
            r.id,
            str(tmp_path / "pictures/a|b.png"),
            r.video and str(tmp_path / r.video),
            r.texts,
            r.labels,
            r.splits,
            r.metadata,
        )
        for r in rows
    ]
    assert write_manifest(path, rows) == len(rows)
    assert read(path) == rows
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_metadata_keeps_its_types(suffix, tmp_path):
    path = tmp_path / f"manifest.{suffix}"
    metadata = {"year": 1999, "score": 0.5, "public": True, "names": ["a", "b"]}
    sparse = {"year": None, "score": math.nan, "public": False}
    write_manifest(path, [Record("a", texts=("x",), metadata=metadata), Record("b", texts=("x",), metadata=sparse)])
    a, b = read(path)
    assert a.metadata == metadata
    assert b.metadata == {"public": False}


def test_paths_below_the_manifest_are_relative_and_others_absolute(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "set" / "manifest.jsonl"
    write_manifest(path, [Record("in", "set/pictures/a.png"), Record("out", "b.png")])
    assert [json.loads(line)["image"] for line in path.read_text().splitlines()] == [
        "pictures/a.png",
        str(tmp_path / "b.png"),
    ]
    (tmp_path / "set").rename(tmp_path / "moved")
    inside, outside = read(tmp_path / "moved" / "manifest.jsonl")
    assert inside.image == str(tmp_path / "moved" / "pictures" / "a.png")
    assert outside.image == str(tmp_path / "b.png")


def test_csv_lists_are_split_at_bars(tmp_path):
    path = write(tmp_path / "m.csv", "id,text,labels,split,year\n1,a|b\\|c,x,query|train,1999\n2,one,,,\n")
    first, second = read(path)
    assert first == Record("1", texts=("a", "b|c"), labels=("x",), splits=("query", "train"), metadata={"year": "1999"})
    assert second == Record("2", texts=("one",))


def test_file_name_is_the_image(tmp_path):
    path = write(tmp_path / "m.csv", "id,file_name\n1,a.png\n")
    assert read(path) == [Record("1", str(tmp_path / "a.png"))]


@pytest.mark.parametrize("suffix", ["mp4", "WEBM", "mkv", "avi", "mov"])
def test_file_name_is_the_video_when_its_suffix_says_so(tmp_path, suffix):
    write(tmp_path / "metadata.csv", f"file_name,text\nx/a.{suffix},hello\n")
    assert list(read_source(tmp_path)) == [
        Record(f"x/a.{suffix}", video=str(tmp_path / "x" / f"a.{suffix}"), texts=("hello",))
    ]


def test_a_row_may_have_a_picture_and_a_clip(tmp_path):
    """The column says what a file is, whatever its suffix."""
    path = write(tmp_path / "m.jsonl", json.dumps({"id": "1", "image": "a.png", "video": "sub/a.webp"}))
    assert read(path) == [Record("1", image=str(tmp_path / "a.png"), video=str(tmp_path / "sub" / "a.webp"))]
    path = write(tmp_path / "n.jsonl", json.dumps({"id": "1", "image": "a.png", "file_name": "b.mp4"}))
    assert read(path) == [Record("1", image=str(tmp_path / "a.png"), video=str(tmp_path / "b.mp4"))]


def test_metadata_file_of_an_image_folder_needs_no_id(tmp_path):
    write(tmp_path / "metadata.csv", "\ufefffile_name,text\nx/a.png,hello\n")
    assert list(read_source(tmp_path)) == [Record("x/a.png", str(tmp_path / "x" / "a.png"), texts=("hello",))]


def test_two_metadata_files_are_ambiguous(tmp_path):
    for name in ("metadata.csv", "metadata.jsonl"):
        write(tmp_path / name, "id,text\n1,a\n")
    with pytest.raises(InputError, match=r"metadata\.csv and metadata\.jsonl"):
        list(read_source(tmp_path))


def test_integers_are_ids_and_labels(tmp_path):
    path = write(tmp_path / "m.jsonl", '{"id": 7, "text": "x", "labels": [3, "b"]}\n')
    assert read(path) == [Record("7", texts=("x",), labels=("3", "b"))]


def test_bad_utf8_costs_its_own_line(tmp_path):
    content = 'id,text\n1,größe\n2,gr\xf6\xdfe\n3,"two\nlines"\n4,größe\n'
    raw = (
        content.encode().replace("gr\xf6\xdfe".encode(), b"gr\xf6\xdfe", 2).replace(b"gr\xf6\xdfe", "größe".encode(), 1)
    )
    good, bad = reasons(write(tmp_path / "m.csv", raw))
    assert good == ["1", "3", "4"]
    assert bad == [("3", "text is not UTF-8 (character 2): save the file as UTF-8")]
    lines = b'{"id": "1", "text": "a"}\n{"id": "2", "text": "gr\xf6"}\n{"id": "3", "text": "c"}\n'
    good, bad = reasons(write(tmp_path / "m.jsonl", lines))
    assert good == ["1", "3"]
    assert bad[0][0] == "2"
    assert "UTF-8" in bad[0][1]


def test_bad_utf8_in_parquet_costs_its_own_row(tmp_path):
    values = pa.array([b"good", b"gr\xf6", b"fine"]).cast(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, values.buffers())  # Arrow does not check
    pq.write_table(pa.table({"id": ["1", "2", "3"], "text": text}), tmp_path / "m.parquet")
    good, bad = reasons(tmp_path / "m.parquet")
    assert good == ["1", "3"]
    assert [place for place, _ in bad] == ["2"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("2,x,y,z", "4 cells; the header has 2", id="more cells"),
        pytest.param("2", "1 cells; the header has 2", id="fewer cells"),
        pytest.param('2,"open', "not a line of CSV", id="open quote"),
        pytest.param('2,"a"b', "not a line of CSV", id="text after a quote"),
        pytest.param(",x", "the id is empty", id="empty id"),
        pytest.param("  ,x", "the id is empty", id="blank id"),
        pytest.param("2,", "no image, video or text", id="nothing to encode"),
        pytest.param("1,again", "already taken by row m.csv:2", id="duplicate id"),
        pytest.param("2,a\0b", "NUL", id="NUL byte"),
    ],
)
def test_broken_csv_lines_cost_themselves_only(line, reason, tmp_path):
    path = write(tmp_path / "m.csv", f'id,text\n1,first\n{line}\n3,"quoted"\n\n4,last\n')
    good, bad = reasons(path)
    assert good == ["1", "3", "4"]
    assert [place for place, _ in bad] == ["3"]
    assert reason in bad[0][1]


def test_lines_after_an_open_quote_keep_their_numbers(tmp_path):
    path = write(tmp_path / "m.csv", 'id,text\n1,"open\n2,"also open\n3,"fine"\n4,"two\nlines"\n5,\n')
    good, bad = reasons(path)
    assert good == ["3", "4"]
    assert [place for place, _ in bad] == ["2", "3", "7"]


def test_a_megabyte_of_text_passes_and_leaves_its_neighbours(tmp_path):
    """The encoder refuses it; the manifest only carries it."""
    path = write(tmp_path / "m.csv", f"id,text\n1,a\n2,{'x' * (1 << 20)}\n3,c\n")
    assert [len(row.texts[0]) for row in read(path)] == [1, 1 << 20, 1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param("{", "not a line of JSON", id="cut off"),
        pytest.param("[" * 100_000, "not a line of JSON", id="too deep"),
        pytest.param("[1]", "JSON list", id="no object"),
        pytest.param('{"id": null, "text": "a"}', "the id is empty", id="null id"),
        pytest.param('{"id": NaN, "text": "a"}', "the id is empty", id="NaN id"),
        pytest.param('{"id": 1.5, "text": "a"}', "1.5 (float)", id="float id"),
        pytest.param('{"id": ' + "[" * 900 + "]" * 900 + ', "text": "a"}', "(list)", id="deep id"),
        pytest.param(
            '{"id": "2", "text": "a", "m": ' + "[" * 300 + "]" * 300 + "}", "nested more than", id="deep list"
        ),
        pytest.param(
            '{"id": "2", "text": "a", "m": ' + '{"a":' * 450 + "1" + "}" * 450 + "}",
            "nested more than",
            id="deep object",
        ),
        pytest.param('{"id": "2", "text": "a", "m": ' + "9" * 5000 + "}", "not a line of JSON", id="endless integer"),
        pytest.param('{"id": "2", "text": "a", "m": ' + "9" * 4000 + "}", "does not fit into 64", id="huge integer"),
        pytest.param('{"id": "2", "id": "4", "text": "a"}', "same name twice", id="name twice"),
        pytest.param('{"id": "2", "text": "a", "m": {"a": 1, "a": 2}}', "same name twice", id="inner name twice"),
        pytest.param('{"id": "2", "text": "%s"}' % ("x" * (1 << 24)), "longer than", id="endless line"),
        pytest.param('{"id": true, "text": "a"}', "True (bool)", id="bool id"),
        pytest.param('{"text": "a"}', "the id is empty", id="no id"),
        pytest.param('{"id": "2", "text": NaN}', "no image, video or text", id="NaN text"),
        pytest.param('{"id": "2", "text": 5}', "text holds a int", id="number as text"),
        pytest.param('{"id": "2", "image": {"bytes": ""}}', "image is a dict", id="picture in the cell"),
        pytest.param('{"id": "2", "image": "a", "file_name": "b"}', "keep one", id="image twice"),
        pytest.param(
            '{"id": "2", "video": "a", "file_name": "b.mp4"}', "both 'video' and 'file_name'", id="clip twice"
        ),
        pytest.param('{"id": "2", "text": "a", "split": "test"}', "only train, val, query, database", id="split"),
        pytest.param('{"id": "2", "text": "a", "labels": [1.5]}', "labels holds a float", id="float label"),
        pytest.param('{"id": "2\\u0000", "text": "a"}', "NUL", id="NUL in the id"),
        pytest.param('{"id": "2", "image": "a\\u0000.png"}', "NUL", id="NUL in the path"),
        pytest.param('{"id": "\\ud800", "text": "a"}', "the id is not UTF-8", id="lone surrogate"),
        pytest.param('{"id": "2", "text": "a", "x": {"y": "\\ud800"}}', "not UTF-8", id="surrogate in metadata"),
    ],
)
def test_broken_json_lines_cost_themselves_only(row, reason, tmp_path):
    good_row = '{"id": "%s", "text": "x"}\n'
    path = write(tmp_path / "m.jsonl", good_row % 1 + row + "\n" + good_row % 3)
    good, bad = reasons(path)
    assert good == ["1", "3"]
    assert [place for place, _ in bad] == ["2"]
    assert reason in bad[0][1]


@pytest.mark.parametrize("identifier", [NASTY, "x" * MAX_ITEM_BYTES, "😀" * (MAX_ITEM_BYTES // 4)])
def test_ids_may_be_anything(identifier, tmp_path):
    path = tmp_path / "m.csv"
    write_manifest(path, [Record(identifier, texts=("x",))])
    assert [row.id for row in read(path)] == [identifier]


@pytest.mark.parametrize("identifier", ["x" * (MAX_ITEM_BYTES + 1), "😀" * (MAX_ITEM_BYTES // 4 + 1)])
def test_ids_that_are_too_long_are_rejected(identifier, tmp_path):
    path = tmp_path / "m.jsonl"
    write_manifest(path, [Record(identifier, texts=("x",))])
    (row,) = read(path)
    assert isinstance(row, Reject)
    assert f"at most {MAX_ITEM_BYTES:,}" in row.reason


def test_a_rejected_row_does_not_take_its_id(tmp_path):
    path = write(tmp_path / "m.csv", "id,text\n1,\n1,good\n")
    assert [type(row) for row in read(path)] == [Reject, Record]


def test_dates_become_iso_and_bytes_are_refused(tmp_path):
    table = pa.table({"id": ["1"], "text": ["a"], "day": [date(2024, 2, 29)]})
    pq.write_table(table, tmp_path / "m.parquet")
    assert read(tmp_path / "m.parquet")[0].metadata == {"day": "2024-02-29"}
    pq.write_table(table.append_column("raw", pa.array([b"x"])), tmp_path / "m.parquet")
    assert "column 'raw': a bytes has no JSON form" in read(tmp_path / "m.parquet")[0].reason


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("m.csv", "name,text\n1,a\n", "no column 'id': it has 'name', 'text'", id="csv without id"),
        pytest.param("m.jsonl", '{"name": 1, "text": "a"}\n', "no column 'id'", id="jsonl without id"),
        pytest.param("m.csv", "id,title\n1,a\n", "none of the columns 'image'", id="nothing to encode"),
        pytest.param("m.csv", "id,id,text\n1,1,a\n", "name of its own", id="column twice"),
        pytest.param("m.csv", "id,,text\n1,1,a\n", "name of its own", id="column without a name"),
        pytest.param("m.csv", "", "no rows", id="empty csv"),
        pytest.param("m.csv", "id,text\n", "no rows", id="csv of a header"),
        pytest.param("m.jsonl", "", "no rows", id="empty jsonl"),
        pytest.param("m.parquet", "", "cannot read", id="empty parquet"),
        pytest.param("m.parquet", "id,text\n1,a\n", "cannot read", id="no parquet"),
        pytest.param("m.txt", "id,text\n1,a\n", r"\.jsonl, \.csv, \.parquet", id="suffix"),
        pytest.param("m.csv", "id,text\n1,a\n".encode("utf-16"), "it is UTF-16; save it as UTF-8", id="utf-16 csv"),
        pytest.param("m.jsonl", '{"id": "1"}'.encode("utf-16"), "it is UTF-16", id="utf-16 jsonl"),
    ],
)
def test_files_that_are_no_manifest_are_refused(name, content, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / name, content))


@pytest.mark.parametrize("suffix", FORMATS)
def test_missing_files_and_folders_are_named(suffix, tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / f"absent.{suffix}")
    (tmp_path / f"folder.{suffix}").mkdir()
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path / f"folder.{suffix}")


def test_a_truncated_parquet_is_refused(tmp_path):
    path = tmp_path / "m.parquet"
    write_manifest(path, [Record(str(n), texts=("x",)) for n in range(100)])
    with pytest.raises(InputError, match="cannot read"):
        read(write(path, path.read_bytes()[:-20]))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_write_that_fails_leaves_the_old_file(suffix, tmp_path):
    path = tmp_path / f"m.{suffix}"
    write_manifest(path, [Record("old", texts=("x",))])

    def broken():
        yield Record("new", texts=("x",))
        raise RuntimeError("the source fails")

    with pytest.raises(RuntimeError):
        write_manifest(path, broken())
    assert [row.id for row in read(path)] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "metadata", "message"),
    [
        pytest.param("m.jsonl", {"image": "x"}, "columns of the manifest", id="name of a column"),
        pytest.param("m.jsonl", {"x": object()}, "cannot be written", id="no JSON"),
        pytest.param("m.parquet", {"x": {"y": 1}}, "write .jsonl instead", id="no Arrow column"),
        pytest.param("m.parquet", {"x": 1 << 70}, "write .jsonl instead", id="integer too large"),
        pytest.param("m.txt", {}, "must be one of", id="suffix"),
        pytest.param("absent/m.csv", {}, "cannot write", id="no such folder"),
    ],
)
def test_what_cannot_be_written_is_named(name, metadata, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_manifest(tmp_path / name, [Record("1", texts=("x",), metadata=metadata)])

"""Manifests that are too long, damaged, or name what nobody should open."""

from __future__ import annotations

import io
import json
import os
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_manifest import FORMATS, read, reasons, write

from milvus_hash.errors import InputError
from milvus_hash.manifest import read_manifest, read_source
from milvus_hash.record import Record


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_line_without_end_takes_no_memory(suffix, tmp_path, monkeypatch):
    """Nothing of the sort is a table; a long line before others costs itself."""
    monkeypatch.setattr("milvus_hash.manifest.line._MAX_SKIPPED", 1 << 26)
    path = write(tmp_path / f"m.{suffix}", b'id,text\n1,"' if suffix == "csv" else b'{"id": "1", "text": "')
    os.truncate(path, 1 << 32)  # a hole: it takes no place on the disk
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="a line of more than"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 28
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_long_rows_of_csv_cost_themselves(place, tmp_path):
    lines = ("x" * (1 << 20) + "\n") * 17
    long = ['2,"' + "x" * (1 << 24) + '"\n', "2," + "," * (1 << 24) + "\n", f'2,"{lines}"\n']
    path = write(tmp_path / "m.csv", "id,text\n1,a\n" + long[place] + "3,c\n")
    good, bad = reasons(path)
    assert [name for name in good if name in "13"] == ["1", "3"]
    assert bad[0] == ("3", "is longer than 16,777,216 bytes, the most that is read of a row")


def test_lines_that_were_put_together_from_files_with_marks(tmp_path):
    path = write(tmp_path / "m.jsonl", '\ufeff{"id": "1", "text": "a"}\n\ufeff{"id": "2", "text": "b"}\n')
    assert [row.id for row in read(path)] == ["1", "2"]


def test_whole_numbers_of_data_frames_are_ids_and_labels(tmp_path):
    """One missing value makes a data frame turn a column of integers into floats."""
    table = {
        "id": pa.array([1.0, 2.0, float("nan")]),
        "text": ["x", "y", "z"],
        "labels": pa.array([1.0, float("nan"), 3.0]),
    }
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    one, two, missing = read(tmp_path / "m.parquet")
    assert (one.id, one.labels, two.id, two.labels) == ("1", ("1",), "2", ())
    assert missing.reason.startswith("the id is empty")
    path = write(tmp_path / "m.jsonl", '{"id": "1", "text": "x", "labels": [1.0, NaN, null, "", "b"]}\n')
    assert read(path)[0].labels == ("1", "b")


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/zero", "{folder}/pipe.png", "{folder}/link.png"])
def test_a_manifest_may_name_any_file_and_nothing_else_is_opened(path, tmp_path, tiny_encoder):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("/proc/self/environ")
    row = {"id": "1", "image": path.format(folder=tmp_path)}
    (record,) = read(write(tmp_path / "m.jsonl", json.dumps(row)))
    (encoded,) = tiny_encoder.stream("image", [("1", record.image)])
    assert encoded.code is None
    assert "not a plain file" in str(encoded.error) or "is empty" in str(encoded.error)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_device_is_no_manifest(suffix, tmp_path):
    (tmp_path / f"m.{suffix}").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="not a plain file"):
        read(tmp_path / f"m.{suffix}")


def test_standard_input_is_json_lines(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 1, "image": "a.png"}\nbroken\n')))
    good, bad = read_source("-")
    assert good == Record("1", str(tmp_path / "a.png"))
    assert bad.path == "-:2"


LONG = "x" * 200_000


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        pytest.param({"text": [LONG] * 300}, {}, id="text"),
        pytest.param({"text": ["x"] * 300, "note": [LONG] * 300}, {}, id="metadata"),
        pytest.param({"text": [[LONG] * 300, *[["x"]] * 299]}, {}, id="list"),
        pytest.param({"text": ["x"] * 300, "m": [{"a": [LONG] * 300}, *[None] * 299]}, {}, id="nested"),
        pytest.param({"text": [f"{LONG}{n}" for n in range(300)]}, {"column_encoding": "DELTA_BYTE_ARRAY"}, id="delta"),
    ],
)
def test_a_small_parquet_takes_little_memory(columns, options, tmp_path, monkeypatch):
    monkeypatch.setattr("milvus_hash.manifest.parquet._BATCH", 1 << 22)
    path = tmp_path / "m.parquet"
    written = pa.table({"id": [str(n) for n in range(300)], **columns})
    dictionary = {"use_dictionary": not options, "dictionary_pagesize_limit": 1 << 22}
    pq.write_table(written, path, compression="zstd", **dictionary, **options)
    assert path.stat().st_size < 100_000
    del written
    before = pa.total_allocated_bytes()
    taken = [(type(row), pa.total_allocated_bytes() - before) for row in read_manifest(path)]
    assert len(taken) == 300
    assert sum(kind is Record for kind, _ in taken) >= 299
    assert max(size for _, size in taken) < 1 << 24  # of 60 MB


def test_a_parquet_of_endless_lists_costs_its_row_group(tmp_path, monkeypatch):
    monkeypatch.setattr("milvus_hash.manifest.parquet._COLUMN", 1 << 24)
    schema = pa.schema({"id": pa.string(), "text": pa.string(), "m": pa.list_(pa.int8())})
    with pq.ParquetWriter(tmp_path / "m.parquet", schema) as writer:
        for name, values in (("1", [1]), ("2", [0] * 3_000_000), ("3", None)):
            writer.write_table(pa.table({"id": [name], "text": ["x"], "m": [values]}, schema))
    good, bad = reasons(tmp_path / "m.parquet")
    assert good == ["1", "3"]
    assert [place for place, _ in bad] == ["2"]
    assert "24,000,000 bytes unpacked" in bad[0][1]


def test_a_damaged_row_group_costs_itself(tmp_path):
    path = tmp_path / "m.parquet"
    table = pa.table({"id": [str(n) for n in range(30)], "text": [f"text {n}" for n in range(30)]})
    pq.write_table(table, path, row_group_size=10, use_dictionary=False, compression="zstd")
    column = pq.read_metadata(path).row_group(1).column(1)
    raw = bytearray(path.read_bytes())
    end = column.data_page_offset + column.total_compressed_size
    raw[end - 40 : end] = bytes(40)
    path.write_bytes(raw)
    good, bad = reasons(path)
    assert good == [str(n) for n in (*range(10), *range(20, 30))]
    assert [place for place, _ in bad] == ["11"]
    assert "rows 11 to 20 cannot be read" in bad[0][1]

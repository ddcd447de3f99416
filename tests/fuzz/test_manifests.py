"""Manifests and folders of any bytes: each row is a record or a reject in its place, and nothing else is raised."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from milvus_hash.errors import MilvusHashError
from milvus_hash.manifest import read_source
from milvus_hash.record import Record, Reject

NAMES = ("id", "image", "video", "file_name", "text", "labels", "split", "year", "", "a\0b", "é", "$meta")
texts = st.text(max_size=20) | st.sampled_from(
    ["", "\0", "\ufeff", "a|b", '"', "\\", "1.0", "train", "a.png", "../a.png"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
deep = st.builds(lambda depth, value: json.loads("[" * depth + "1" + "]" * depth), st.integers(50, 400), scalars)
rows = st.lists(st.dictionaries(st.sampled_from(NAMES), values | deep, max_size=6), max_size=6)
edits = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3), st.binary(max_size=6)), max_size=6)


def mutated(raw: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """``raw`` with bytes replaced: at each place so many go, and others come."""
    for place, gone, new in changes:
        at = place % (len(raw) + 1)
        raw = raw[:at] + new + raw[at + gone :]
    return raw


def read(name: str, raw: bytes) -> list[Record | Reject] | None:
    """What is read of a file of this name, between rows of which nothing is lost; None if it is refused as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        found = []
        try:
            for row in read_source(folder if name == "metadata.jsonl" else path):
                assert isinstance(row, (Record, Reject))
                assert isinstance(row, Reject) or json.dumps(dict(row.metadata), allow_nan=False)
                found.append(row)
        except MilvusHashError:
            return None
    return found


def ids(found: list[Record | Reject] | None) -> list[str]:
    return [row.id for row in found or [] if isinstance(row, Record)]


@settings(settings.get_profile("fuzz"))
@given(rows, edits, st.sampled_from(["m.jsonl", "metadata.jsonl"]))
def test_json_lines(between, changes, name):
    lines = mutated(b"\n".join(json.dumps(row).encode() for row in between), changes)
    first, last = b'{"id": "first", "text": "a"}\n', b'\n{"id": "last", "text": "a"}\n'
    found = read(name, first + lines + last)
    assert found is not None
    assert ids(found)[0] == "first"
    assert any(row.id == "last" for row in found[-1:])
    assert len(found) == 2 + sum(bool(line.decode("utf-8-sig", "replace").strip()) for line in lines.split(b"\n"))


@settings(settings.get_profile("fuzz"))
@given(st.lists(st.lists(texts, max_size=4), max_size=6), edits)
def test_csv(between, changes):
    buffer = io.StringIO()
    csv.writer(buffer).writerows([*between])
    lines = mutated(buffer.getvalue().encode(errors="surrogatepass"), changes)
    found = read("m.csv", b"id,text,year\nfirst,a,1\n" + lines + b"\nlast,a,1\n\n")
    assert found is not None
    assert ids(found)[0] == "first"
    if b'"' not in lines:  # else the last line may be a part of a text
        assert found[-1].id == "last"


@settings(settings.get_profile("fuzz"))
@given(st.lists(st.tuples(texts, texts, st.floats()), min_size=1, max_size=8), edits)
def test_parquet(table, changes):
    columns = list(zip(*table, strict=True))
    sink = io.BytesIO()
    encodable = [[text.encode(errors="replace").decode() for text in column] for column in columns[:2]]
    written = pa.table({"id": encodable[0], "text": encodable[1], "labels": pa.array(columns[2])})
    pq.write_table(written, sink, row_group_size=3)
    found = read("m.parquet", sink.getvalue())
    assert found is not None
    assert [row.path.rpartition(":")[2] for row in found if isinstance(row, Reject)] == [
        str(number) for number, row in enumerate(found, 1) if isinstance(row, Reject)
    ]
    assert len(found) == len(table)
    read("m.parquet", mutated(sink.getvalue(), changes))


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
files = st.dictionaries(
    st.tuples(names, st.sampled_from([".png", ".txt", ".mp4", "", ".pdf"])), st.binary(max_size=40), max_size=8
)


@settings(settings.get_profile("fuzz"))
@given(files, st.sampled_from([None, b"", b"\xff", b"file_name\na.png\n", b"id,text\n1,x\n"]))
def test_folders(content, table):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "anchor.png").write_bytes(b"x")
        below = Path(folder) / "below"
        below.mkdir()
        for (stem, suffix), data in content.items():
            if stem + suffix not in (".", ".."):
                (below / f"{stem}{suffix}").write_bytes(data)
        if table is not None:
            (below / "metadata.csv").write_bytes(table)
        found = list(read_source(folder))
    assert found[0].id == "anchor.png"
    assert len({row.id for row in found}) == len(found) or table is not None

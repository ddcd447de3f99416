"""Plausible mistakes of who fills a collection: each costs its own row only, and its message names the next step."""

from __future__ import annotations

import io
import json
import uuid
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from milvus_hash import CodeRow, InputError, Record, Reject, read_source, write_manifest

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
TYPE = "mend it, or leave it out"
TEXT = "write it as a text or a number"


def record(name: str, piece: str, **values: Any) -> Any:
    return pytest.param({"id": "wrong", "texts": "a red flower", **values}, piece, id=name)


REJECTS = [
    record("a number as id", "item 7 is a int; an id is a text: write str(id)", id=7),
    record("None as id", "an id is a text", id=None),
    record("a UUID as id", "write str(id)", id=uuid.UUID(int=7)),
    record("a number of numpy as id", "write str(id)", id=np.int64(7)),
    record("bytes as id", "write str(id)", id=b"7"),
    record("no id", "1 to 4096 bytes are needed", id=""),
    record("a set of texts", "texts is a set; a list of strings is needed", texts={"red"}),
    record("texts by language", "a list of strings is needed", texts={"en": "red"}),
    record("an array of texts", "a list of strings is needed", texts=np.array(["red"])),
    record("NaN as text", "a list of strings is needed", texts=float("nan")),
    record("a number as text", "a text is a int", texts=[3]),
    record("an empty text", "the text is empty", texts=[""]),
    record("a book as text", "split or shorten it", texts="red " * 10_000),
    record("nothing to encode", "no picture, no clip and no text", texts=()),
    record("a number as label", "labels is a int; a list of strings is needed", labels=3),
    record("no metadata", "a mapping of names to values is needed", metadata=None),
    record("metadata as JSON", "a mapping of names to values is needed", metadata='{"brand": "nike"}'),
    record("bytes in metadata", TEXT, metadata={"thumb": b"\x89PNG"}),
    record("a picture in metadata", TEXT, metadata={"thumb": Image.new("RGB", (9, 9))}),
    record("a function in metadata", TEXT, metadata={"price": len}),
    record("a fraction in metadata", TEXT, metadata={"price": Fraction(1, 3)}),
    record("a number beyond 64 bits", "write it as a text", metadata={"ean": 2**70}),
    record("too much metadata", "shorten them or leave columns out", metadata={"html": "x" * 70_000}),
    record("a reserved name", "reserved); rename them", metadata={"code": 1}),
    record("a word for a year", TYPE, metadata={"year": "soon"}),
    record("half a year", TYPE, metadata={"year": 2004.5}),
    record("a list for a year", TYPE, metadata={"year": [2004]}),
    record("a price with a comma", TYPE, metadata={"price": "1,50"}),
    record("an endless price", "Milvus needs a finite number", metadata={"price": "inf"}),
    record("yes for true", TYPE, metadata={"ok": "yes"}),
    record(
        "several pictures", "the picture is a list: a path, the bytes of a file", image=["a.png", "b.png"], texts=()
    ),
    record("a picture of floats", ".astype('uint8')", image=PIXELS / 255, texts=()),
    record("a picture's number", "the picture is a int: a path, the bytes of a file", image=3, texts=()),
    record("an address", "download the picture", image="s3://bucket/a.png", texts=()),
    record("a picture that is not there", "it is looked for in", image="nowhere.png", texts=()),
    record("pixels as a clip", "the video is a ndarray: a path, the bytes of a file", video=PIXELS, texts=()),
]


@pytest.mark.parametrize(("values", "piece"), REJECTS)
def test_a_record_costs_itself(collection, values, piece, caplog):
    """Whatever stands beside it is written; it is told in the counts, to ``on_reject``, and with ``strict`` raised."""
    first, last, told = Record("first", texts="a red flower"), Record("last", texts="a red flower"), []
    wrong = Record(**values)
    counts = collection.add([first, wrong, last], on_reject=told.append)
    assert (counts.written, counts.rejected) == (2, 1)
    assert list(counts.rejects) == told
    assert piece in told[0].reason
    with pytest.raises(InputError, match="item"):
        collection.add([first, wrong, last], strict=True)
    assert collection.delete(["first", "last", "wrong"]) == 2
    assert not caplog.records


ADDED: list[Any] = [
    pytest.param("pictures", InputError, r"read_source('pictures')", id="a folder"),
    pytest.param(Path("shop.csv"), InputError, r"read_source('shop.csv')", id="a manifest"),
    pytest.param({"id": "1"}, InputError, "write [Record(id, ...), ...]", id="a dict"),
    pytest.param(None, InputError, "a list of records is needed, not a NoneType", id="None"),
    pytest.param(3, InputError, "write [Record(id, ...), ...]", id="a number"),
    pytest.param(lambda: [], InputError, "a list of records is needed, not a function", id="a function"),
]


@pytest.mark.parametrize(("records", "kind", "piece"), ADDED)
def test_what_holds_no_records(collection, refused, records, kind, piece):
    with refused(kind, piece):
        collection.add(records)


@pytest.mark.parametrize(
    "wrong", [{"id": "1", "text": "x"}, ("1", "x"), "a.png", PIXELS], ids=["dict", "tuple", "str", "array"]
)
def test_what_is_no_record(collection, wrong):
    counts = collection.add([wrong])
    assert (counts.written, counts.rejected) == (0, 1)
    assert "make one with Record(id, image=..., texts=[...])" in counts.rejects[0].reason


NAMED: list[Any] = [
    pytest.param(lambda c: Record("1", text="a"), "there is no argument 'text', but 'texts'", id="text"),
    pytest.param(lambda c: Record("1", caption="a"), "there is no argument 'caption', but 'texts'", id="caption"),
    pytest.param(lambda c: Record("1", path="a.png"), "there is no argument 'path', but 'image'", id="path"),
    pytest.param(lambda c: Record("1", label="a"), "there is no argument 'label', but 'labels'", id="label"),
    pytest.param(lambda c: Record("1", payload={}), "there is no argument 'payload', but 'metadata'", id="payload"),
    pytest.param(lambda c: Record(item="1"), "there is no argument 'item', but 'id'", id="item"),
    pytest.param(lambda c: Record(texts="a"), "id is missing; the arguments are id, image", id="no id"),
    pytest.param(lambda c: Record("1", texts="a", brand="nike"), "labels, splits, metadata", id="metadata as names"),
    pytest.param(lambda c: CodeRow("1", bytes(8)), "ordinal is missing; the arguments are item", id="half a row"),
    pytest.param(lambda c: CodeRow(id="1", code=bytes(8)), "there is no argument 'id', but 'item'", id="row id"),
    pytest.param(lambda c: c.add(documents=["a"], ids=["1"]), "the arguments are records", id="documents"),
    pytest.param(lambda c: c.add("1", "a red flower"), "write on_reject=...", id="id and text"),
]


@pytest.mark.parametrize(("mistake", "piece"), NAMED)
def test_names_of_other_libraries(collection, refused, mistake, piece):
    with refused(TypeError, piece):
        mistake(collection)


@pytest.mark.parametrize("name", ["on_reject", "progress", "stop"])
def test_what_is_no_function(collection, refused, name):
    from milvus_hash.ingest import ingest

    with refused(InputError, f"{name} is a bool: a function is needed, such as print"):
        ingest([Record("1")], collection, **{name: True})


ROW = {"item": "wrong", "modality": "text", "ordinal": 0, "code": bytes(8)}


@pytest.mark.parametrize(
    ("row", "piece"),
    [
        pytest.param(ROW, "a dict is no row; make one with CodeRow(item", id="a dict"),
        pytest.param(Record("1", texts="a"), "or give records to add()", id="a record"),
        pytest.param(CodeRow(**{**ROW, "item": 7}), "write str(id)", id="a number as item"),
        pytest.param(CodeRow(**{**ROW, "modality": "texts"}), "use one of image", id="a plural"),
        pytest.param(CodeRow(**{**ROW, "ordinal": "0"}), "an integer from 0 on is needed", id="a text as ordinal"),
        pytest.param(CodeRow(**{**ROW, "code": bytes(4)}), "the code has 32 bits, the collection 64", id="half a code"),
        pytest.param(CodeRow(**{**ROW, "code": [0] * 8}), "bytes or packed uint8 (8,) is needed", id="a list as code"),
        pytest.param(CodeRow(**ROW, fields=None), 'as in {"year": 2004}', id="no fields"),
        pytest.param(CodeRow(**ROW, fields={"thumb": b"\x89"}), TEXT, id="bytes"),
        pytest.param(CodeRow(**ROW, fields={"price": len}), TEXT, id="a function"),
        pytest.param(CodeRow(**ROW, fields={"year": "soon"}), TYPE, id="a word for a year"),
        pytest.param(CodeRow(**ROW, fields={"item": "x"}), "rename them", id="a reserved name"),
    ],
)
def test_a_row(collection, refused, row, piece):
    with refused(InputError, piece):
        collection.add_codes([row])
    assert not collection.get(["wrong"])


def test_values_are_stored_alike_whichever_way_they_come(collection):
    """NaN and None are left out, sets and arrays are lists, dates and paths texts, numbers of numpy numbers."""
    odd = {
        "when": np.datetime64("2020-01-01"),
        "tags": {"a"},
        "path_": Path("a"),
        "n": np.float32(2),
        "nan": float("nan"),
    }
    odd |= {"year": np.int64(3), "price": float("nan"), "name": None}
    collection.add([Record("added", texts="a", metadata=odd)])
    (added,) = collection.get(["added"])
    collection.add_codes([CodeRow("coded", "text", 0, added.code, {**odd, "text": "a"})])
    collection.update(["added"], odd)
    (coded,), (updated,) = collection.get(["coded"]), collection.get(["added"])
    assert added.fields == coded.fields == updated.fields
    assert added.fields["tags"] == ["a"]
    assert not {"nan", "price", "name"} & added.fields.keys()
    assert collection.delete(["added", "coded"]) == 2


SOURCES = [
    ("shop.json", "[]", "the suffix must be one of .jsonl, .csv, .parquet; save the table as one of them"),
    ("shop.zip", "PK", "unpack an archive"),
    ("shop.xlsx", "PK", "save the table as one of them"),
    ("rose.png", "PNG", "of single files name the folder"),
    ("shop.csv", "", "has no rows; is it the right one, and complete?"),
    ("shop.csv", "ID,text\n1,a\n", "has no column 'id': it has 'ID', 'text'; rename"),
    ("shop.csv", "id,caption\n1,a\n", "rename the one with the pictures, clips or texts"),
    ("shop.csv", "id;text\n1;a\n", "here by ';': save it with commas"),
    ("shop.csv", "id\ttext\n1\ta\n", "save it with commas"),
    ("shop.csv", "1,a.png\n2,b.png\n", "has no column 'id': it has '1', 'a.png'"),
    ("shop.csv", "id,text,text\n1,a,b\n", "every column needs a name of its own"),
    ("shop.csv", "\ufeffid,text\n".encode("utf-16"), "it is UTF-16; save it as UTF-8"),
    ("shop.parquet", "id,text\n1,a\n", "it is no Parquet file"),
]
LINES = [
    ("shop.csv", "id,text\n1,a,b\n", "has 3 cells; the header has 2: quote cells that hold commas"),
    ("shop.csv", "id,text\n1,caf\xe9\n".encode("latin-1"), "save the file as UTF-8"),
    ("shop.csv", "id,text\n1,a\n1,b\n", "the id is already taken by row shop.csv:2"),
    ("shop.jsonl", '[{"id": "1", "text": "a"}]', "one object a line is needed"),
    ("shop.jsonl", "{'id': '1', 'text': 'a'}", "property name enclosed in double quotes"),
    ("shop.jsonl", '{"id": null, "text": "a"}', "a string or an integer is needed"),
    ("shop.jsonl", '{"id": 1.5, "text": "a"}', "a string or an integer is needed"),
    ("shop.jsonl", '{"id": "1", "text": 3}', "a string or a list of strings is needed"),
    ("shop.jsonl", '{"id": "1", "text": "a", "split": "test"}', "only train, val, query, database are allowed"),
    ("shop.jsonl", '{"id": "1", "text": "a", "labels": {"a": 1}}', "a string or a list of strings is needed"),
    ("shop.jsonl", '{"id": "1", "image": ["a.png"]}', "image is a list; a path is needed"),
    ("shop.jsonl", '{"id": "1", "image": "https://me:secret@x.org/a.png?secret"}', "https://x.org/a.png is an address"),
    ("shop.jsonl", '{"id": "1", "image": "a.png", "file_name": "b.png"}', "keep one"),
]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


@pytest.mark.parametrize(("name", "content", "piece"), SOURCES)
def test_a_manifest(tmp_path, refused, name, content, piece):
    with refused(InputError, piece):
        list(read_source(written(tmp_path, name, content)))


@pytest.mark.parametrize(("name", "content", "piece"), LINES)
def test_a_line_of_a_manifest(tmp_path, name, content, piece):
    *_, reject = read_source(written(tmp_path, name, content))
    assert isinstance(reject, Reject)
    assert piece in reject.reason
    assert "secret" not in reject.reason


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        ("nowhere.csv", "nowhere.csv does not exist in"),
        ("nowhere/", "name a folder, or a manifest"),
        ("pictures/*.png", "name a folder, or a manifest"),
        ("https://me:secret@x.org/shop.csv?secret", "https://x.org/shop.csv is an address"),
        (["a.csv", "b.csv"], "a folder, a manifest or a pandas DataFrame is needed, not a list"),
        ({"id": ["1"]}, "not a dict"),
        (None, "not a NoneType"),
        pytest.param(io.StringIO("id,text"), "not a StringIO", id="an open text"),
        ([Record("1")], "records of your own are added as they are"),
    ],
    ids=str,
)
def test_what_is_no_source(refused, source, piece):
    with refused(InputError, piece):
        list(read_source(source))


@pytest.mark.parametrize(
    ("columns", "piece"),
    [
        ({"text": ["a"]}, "the data frame has no column 'id': it has 'text'; rename"),
        ({"id": ["1"], "caption": ["a"]}, "rename the one with the pictures, clips or texts"),
        ({"id": [], "text": []}, "the data frame has no rows"),
    ],
)
def test_a_data_frame(refused, columns, piece):
    pandas = pytest.importorskip("pandas")
    with refused(InputError, piece):
        list(read_source(pandas.DataFrame(columns)))


@pytest.mark.parametrize(
    ("arguments", "piece"),
    [
        (lambda folder: (folder / "shop.xlsx", [Record("1", texts="a")]), "one of .jsonl, .csv, .parquet"),
        (lambda folder: ([Record("1", texts="a")], folder / "shop.csv"), "path is a list: a path is needed"),
        (lambda folder: (folder / "shop.csv", [{"id": "1"}]), "make one with Record(id, image=..., texts=[...])"),
        (lambda folder: (folder / "shop.csv", [Record("1", image=PIXELS)]), "write the ndarray that is in memory"),
    ],
    ids=["suffix", "swapped", "dicts", "in memory"],
)
def test_writing_a_manifest(tmp_path, refused, arguments, piece):
    with refused(InputError, piece):
        write_manifest(*arguments(tmp_path))
    assert not list(tmp_path.iterdir())


def test_one_record_is_a_manifest(tmp_path):
    assert write_manifest(tmp_path / "shop.jsonl", Record("1", texts="a")) == 1
    assert json.loads((tmp_path / "shop.jsonl").read_text())["id"] == "1"


def test_whatever_holds_a_picture_is_the_same_picture(collection):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    data = file.getvalue()
    given = [data, bytearray(data), memoryview(data), io.BytesIO(data), PIXELS, Image.fromarray(PIXELS)]
    codes = collection.encoder.encode_images(given)
    assert len(np.unique(codes, axis=0)) == 1
    grey = np.random.default_rng(1).integers(0, 256, (30, 20), dtype=np.uint8)
    rgb = np.dstack([grey] * 3)
    same = collection.encoder.encode_images([grey, rgb, np.dstack([rgb, np.full_like(grey, 255)])])
    assert len(np.unique(same, axis=0)) == 1
    held = [Record(f"held {n}", image=picture) for n, picture in enumerate([data, bytearray(data), PIXELS])]
    counts = collection.add(held)
    assert (counts.written, counts.rejects) == (3, ())
    assert collection.add(Record("one", image=io.BytesIO(data))).written == 1
    stored = collection.get(["held 0", "held 1", "held 2", "one"])
    assert [row.code.tobytes() for row in stored] == [codes[0].tobytes()] * 4
    assert collection.delete(["held 0", "held 1", "held 2", "one"]) == 4


def test_rows_are_equal_when_all_of_them_is():
    values = {
        "item": "a",
        "modality": "text",
        "ordinal": 0,
        "code": np.arange(8, dtype=np.uint8),
        "fields": {"year": 3},
    }
    row = CodeRow(**values)
    assert row == CodeRow(**values | {"code": bytes(range(8))})
    for other in ({"item": "b"}, {"code": bytes(8)}, {"fields": {}}):
        assert row != CodeRow(**values | other)
    assert row != "a"

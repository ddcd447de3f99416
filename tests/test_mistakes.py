"""Plausible mistakes of an application: each message names the next step."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.record import Record

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)

SEARCHES = [
    ({"text": "a", "top_k": 3}, TypeError, "no argument 'top_k'; the arguments are into, limit"),
    ({"text": "a", "limt": 3}, TypeError, "no argument 'limt', but 'limit'"),
    ({"text": "a", "into": "images"}, InputError, "use one of image, video, text"),
    ({"text": "a", "limit": 0}, InputError, "an integer from 1 to 16384"),
    ({}, InputError, "a question needs a text, image"),
    ({"text": ("red", "blue")}, InputError, "several sources are a list"),
    ({"text": []}, InputError, "at least one is needed"),
    ({"text": b"\xff"}, InputError, "not UTF-8"),
    ({"image": "https://me:secret@x.org/a.png?token=secret"}, InputError, "https://x.org/a.png is an address"),
    ({"image": "nowhere.png"}, InputError, "nowhere.png does not exist"),
    ({"image": io.StringIO("a picture")}, InputError, "open it with mode 'rb'"),
    ({"image": PIXELS.astype(np.float32)}, InputError, r"float32 \(30, 20, 3\): uint8 \(height, width\)"),
    ({"image": PIXELS.transpose(2, 0, 1)}, InputError, r"array of uint8 \(3, 30, 20\): uint8 \(height, width\)"),
    ({"image": {"path": "a.png"}}, InputError, "the picture is a dict: a path, the bytes of a file"),
    ({"code": "abc"}, InputError, "code"),
    ({"query": bytes(8)}, InputError, "encoder.query"),
]
ADDS = [
    ("a_folder", "read_source\\('a_folder'\\)"),
    ({"id": "1"}, r"write \[Record\(id, ...\), ...\]"),
    (None, "a list of records is needed, not a NoneType"),
]
REJECTS = [
    ({"id": "1", "text": "x"}, "make one with Record"),
    (Record("1", image=3), "the picture is a int: a path, the bytes of a file"),
    (Record("1", video=PIXELS), "the video is a ndarray: a path, the bytes of a file or an open file is needed"),
    (Record("1", image="s3://bucket/a.png"), "is an address"),
    (Record("1", texts=[3]), "a text is a int"),
    (Record("1", texts=("x",), metadata={"code": 1}), "reserved"),
    (Record("1"), "no picture, no clip and no text"),
]


@pytest.fixture(scope="module")
def collection(video_encoder, lite_uri):
    with HashCollection.create("mistakes", video_encoder, uri=lite_uri) as collection:
        yield collection
        collection.drop()


@pytest.mark.parametrize(("question", "error", "message"), SEARCHES)
def test_a_search(collection, question, error, message):
    with pytest.raises(error, match=message) as raised:
        collection.search(**question)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("records", "message"), ADDS, ids=str)
def test_what_holds_no_records(collection, records, message):
    with pytest.raises(InputError, match=message):
        collection.add(records)


@pytest.mark.parametrize(("record", "message"), REJECTS, ids=str)
def test_a_record(collection, record, message):
    """It costs itself, whatever stands beside it, and is told three ways."""
    good, told = Record(f"good {message}", texts=("a red flower",)), []
    first = Record(f"first {message}", texts=("a red flower",))
    counts = collection.add([first, record, good], on_reject=told.append)
    assert (counts.written, counts.rejected) == (2, 1)
    assert list(counts.rejects) == told
    assert message in told[0].reason
    assert len(collection.get([first.id, good.id])) == 2
    with pytest.raises(InputError, match="item"):
        collection.add([first, record, good], strict=True)


def test_making_and_opening(lite_uri, tiny_encoder):
    for verb in (HashCollection.create, HashCollection.open, HashCollection.open_or_create):
        with pytest.raises(TypeError, match="no argument 'url', but 'uri'"):
            verb("some", tiny_encoder, url=lite_uri)
        with pytest.raises(InputError, match=r"encoder is a str: Encoder.load\(path\)"):
            verb("some", str(tiny_encoder.bundle.path), uri=lite_uri)
    with pytest.raises(InputError, match=r"Encoder.load\(path\) opens one"):
        Encoder(str(tiny_encoder.bundle.path))


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

"""Clips through an ingest, on Milvus Lite and on a server: their rows, their neighbours, their bad ones."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from clips import DURATIONS, animation, film, steady
from PIL import Image

from milvus_hash.ingest import ingest
from milvus_hash.manifest import read_source
from milvus_hash.record import Record, Reject
from milvus_hash.store.schema import primary_key


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    red, blue = [(255 - n, 0, 0) for n in range(5)], [(0, 0, 255 - n) for n in range(5)]  # equal frames would be merged
    (folder / "red.gif").write_bytes(animation(red, DURATIONS, "GIF"))
    (folder / "blue.webp").write_bytes(animation(blue, DURATIONS, "WEBP"))
    film(folder / "red.mp4", red, DURATIONS)
    film(folder / "blue.mkv", blue, DURATIONS)
    steady(folder / "grey.avi", 25)
    Image.new("RGB", (9, 9), "red").save(folder / "red.png")
    return folder


def test_a_record_with_everything_has_a_row_for_each_of_it(flat_store, video_encoder, clips):
    collection = flat_store.create(encoder=video_encoder)
    record = Record(
        "a", str(clips / "red.png"), str(clips / "blue.mkv"), ("red", "a bus"), ("x",), metadata={"year": 1}
    )
    counts = ingest([record], collection)
    assert (counts.written, counts.skipped, counts.rejected) == (4, 0, 0)
    rows = {(row.modality, row.ordinal): row for row in collection.get(["a"])}
    assert set(rows) == {("image", 0), ("video", 0), ("text", 0), ("text", 1)}
    assert rows["video", 0].fields == {"year": 1, "labels": ["x"], "path": str(clips / "blue.mkv")}
    wanted = video_encoder.encode_videos([clips / "blue.mkv"])
    assert bytes(rows["video", 0].code) == wanted.tobytes()
    assert collection.count("video") == 1
    assert ingest([record], collection, resume=True).skipped == 4


def bad_clips(folder, good):
    whole = (good / "grey.avi").read_bytes()
    contents = {
        "empty.mp4": (b"", "is empty"),
        "noise.mp4": (bytes(range(256)) * 20, "not a video that can be read"),
        "cut.mkv": ((good / "blue.mkv").read_bytes()[:600], "has no frames"),
        "cut.avi": (whole[: len(whole) * 2 // 3], "breaks off after .* frames"),
        "cut.webp": ((good / "blue.webp").read_bytes()[:-30], "breaks off after 4 frames"),
    }
    for name, (data, reason) in contents.items():
        (folder / name).write_bytes(data)
        yield name, reason
    yield "gone.mp4", "does not exist"


def test_bad_clips_are_rejects_and_shift_nothing(flat_store, video_encoder, clips, tmp_path):
    good = ["red.gif", "blue.webp", "red.mp4", "blue.mkv", "grey.avi"]
    bad = dict(bad_clips(tmp_path, clips))
    records = [Record(name, video=str(clips / name), texts=(f"{name} of a cat",)) for name in good]
    for position, name in enumerate(bad):
        records.insert(2 * position % len(records), Record(name, video=str(tmp_path / name), texts=("a dog",)))
    collection, rejects = flat_store.create(encoder=video_encoder), []
    counts = ingest(records, collection, on_reject=rejects.append)
    assert (counts.written, counts.rejected) == (len(good) + len(records), len(bad))
    assert {reject.id: reject.path for reject in rejects} == {name: str(tmp_path / name) for name in bad}
    for reject in rejects:
        assert re.search(bad[reject.id], reject.reason), reject
    assert collection.existing([primary_key(name, "video", 0) for name in bad]) == set()
    stored = {row.item: row.code for row in collection.get(good, modality="video")}
    wanted = video_encoder.encode_videos([clips / name for name in good])
    assert np.array_equal(np.stack([stored[name] for name in good]), wanted)


def test_a_bundle_without_video_rejects_the_clip_and_keeps_the_rest(lite_store, clips):
    collection, rejects = lite_store.create(), []
    counts = ingest([Record("a", video=str(clips / "red.mp4"), texts=("red",))], collection, on_reject=rejects.append)
    assert (counts.written, counts.rejected) == (1, 1)
    assert rejects == [Reject("a", str(clips / "red.mp4"), "bundle tiny cannot encode video; it has image, text")]


def test_an_animated_picture_is_a_clip_where_the_manifest_says_so(lite_store, video_encoder, clips):
    manifest = clips / "manifest.jsonl"
    rows = [{"id": "moving", "video": "blue.webp"}, {"id": "still", "image": "blue.webp"}]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    collection = lite_store.create(encoder=video_encoder)
    assert ingest(read_source(manifest), collection).written == 2
    assert {(row.item, row.modality) for row in collection.get(["moving", "still"])} == {
        ("moving", "video"),
        ("still", "image"),
    }

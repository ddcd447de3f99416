"""A folder of files as records."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter

import pytest

from milvus_hash.errors import InputError
from milvus_hash.manifest import read_manifest, read_source
from milvus_hash.manifest.folder import read_folder
from milvus_hash.media.modalities import OF_SUFFIX
from milvus_hash.record import Record, Reject


def make(folder, *names, content=b"x"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def rejects(folder):
    return [(row.id, row.reason) for row in read_folder(folder) if isinstance(row, Reject)]


def test_pictures_texts_and_pairs_in_order(tmp_path):
    make(tmp_path, "b.png", "a.JPG", "sub/c.webp", "z.gif", ".hidden.png", ".git/d.png", "notes.pdf")
    make(tmp_path, "b.txt", "sub/alone.txt", content="\ufeffgröße".encode())
    assert list(read_source(tmp_path)) == [
        Record("a.JPG", str(tmp_path / "a.JPG")),
        Record("b.png", str(tmp_path / "b.png"), texts=("größe",)),
        Record("z.gif", str(tmp_path / "z.gif")),
        Record("sub/alone.txt", texts=("größe",)),
        Record("sub/c.webp", str(tmp_path / "sub" / "c.webp")),
    ]


def test_clips_by_their_suffixes_with_their_texts(tmp_path):
    """An animated GIF or WebP is a picture here: only a manifest can call it a clip."""
    make(tmp_path, "a.mp4", "b.WEBM", "c.mkv", "d.avi", "e.mov", "f.m4v", "g.gif", "h.webp", "i.mp3")
    make(tmp_path, "a.txt", "g.txt", content=b"waving")
    assert list(read_source(tmp_path)) == [
        Record("a.mp4", video=str(tmp_path / "a.mp4"), texts=("waving",)),
        *(Record(name, video=str(tmp_path / name)) for name in ("b.WEBM", "c.mkv", "d.avi", "e.mov", "f.m4v")),
        Record("g.gif", image=str(tmp_path / "g.gif"), texts=("waving",)),
        Record("h.webp", image=str(tmp_path / "h.webp")),
    ]


def test_a_directory_called_like_a_picture_is_rejected_and_walked(tmp_path):
    make(tmp_path, "x.png/inside.png")
    assert list(read_folder(tmp_path)) == [
        Reject("x.png", str(tmp_path / "x.png"), "is a directory"),
        Record("x.png/inside.png", str(tmp_path / "x.png" / "inside.png")),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"gr\xf6\xdfe", "not UTF-8", id="latin-1"),
        pytest.param(b" \n", "empty", id="blank"),
        pytest.param("ö".encode() * (1 << 19), "more than 32,000 bytes", id="a megabyte"),
    ],
)
def test_a_bad_text_is_rejected_and_its_picture_stays(content, reason, tmp_path):
    make(tmp_path, "a.png")
    make(tmp_path, "a.txt", content=content)
    picture, text = read_folder(tmp_path)
    assert picture == Record("a.png", str(tmp_path / "a.png"))
    assert (text.id, text.path) == ("a.txt", str(tmp_path / "a.txt"))
    assert reason in text.reason


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_utf8_are_rejected(tmp_path):
    make(tmp_path, "good.png")
    with open(os.fsencode(tmp_path) + b"/gr\xf6.png", "wb"):  # noqa: PTH123 (a path of bytes)
        pass
    assert rejects(tmp_path) == [("gr\\xf6.png", "the name is not UTF-8; rename it")]


def test_links_that_stay_inside(tmp_path):
    """A link to a file is one; what a link to a folder leads to has a place of its own, and cycles end."""
    make(tmp_path, "real/a.png", "real/a.txt", content=b"red")
    (tmp_path / "link.png").symlink_to("real/a.png")
    (tmp_path / "second.txt").symlink_to(tmp_path / "real" / "a.txt")
    (tmp_path / "third.txt").symlink_to("real/../second.txt")
    (tmp_path / "nothing.png").symlink_to(tmp_path / "absent.png")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to("self.png")
    left_out = Counter()
    rows = list(read_folder(tmp_path, left_out=left_out))
    assert [row.id for row in rows if isinstance(row, Record)] == ["link.png", "second.txt", "third.txt", "real/a.png"]
    assert rejects(tmp_path) == [("nothing.png", "is a link to nothing"), ("self.png", "is a link to nothing")]
    assert left_out == {"links to folders": 1}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        pytest.param("notes.txt", "/proc/self/environ", id="proc"),
        pytest.param("notes.txt", "/dev/zero", id="device"),
        pytest.param("notes.txt", "{outside}/secret.txt", id="absolute"),
        pytest.param("notes.txt", "../outside/secret.txt", id="relative"),
        pytest.param("notes.txt", "deeper/../../outside/secret.txt", id="dots"),
        pytest.param("notes.txt", "chain.txt", id="chain"),
        pytest.param("notes.txt", "chain/secret.txt", id="through a folder"),
        pytest.param("a.txt", "{outside}/secret.txt", id="caption"),
        pytest.param("b.png", "{outside}/secret.png", id="picture"),
        pytest.param("b.mp4", "{outside}/secret.png", id="clip"),
        pytest.param("sub", "{outside}", id="folder"),
        pytest.param("metadata.csv", "{outside}/secret.csv", id="metadata"),
    ],
)
def test_links_that_lead_out_are_rejects_and_are_not_read(name, target, tmp_path):
    source, outside = tmp_path / "source", tmp_path / "outside"
    make(source, "a.png", "deeper/fine.png")
    make(outside, "secret.txt", "secret.png", content=b"secret")
    make(outside, "secret.csv", content=b"id,text\n1,secret\n")
    if "chain.txt" in target:
        (source / "chain.txt").symlink_to(outside / "secret.txt")
    if "chain/" in target:
        (source / "deeper" / "chain").symlink_to(outside)
        target = target.replace("chain/", "deeper/chain/")
    (source / name).symlink_to(target.format(outside=outside))
    rows = list(read_source(source))
    assert {row.id for row in rows if isinstance(row, Record)} == {"a.png", "deeper/fine.png"}
    assert all(row.texts == () for row in rows if isinstance(row, Record))
    found = {row.id: row.reason for row in rows if isinstance(row, Reject)}
    assert "leads out of the folder" in found[name]
    assert "secret" not in " ".join(found.values())


def test_a_source_that_is_a_link_itself(tmp_path):
    make(tmp_path, "real/a.png", "real/b.png")
    (tmp_path / "real" / "c.png").symlink_to("b.png")
    (tmp_path / "source").symlink_to("real")
    assert [row.id for row in read_source(tmp_path / "source") if isinstance(row, Record)] == [
        "a.png",
        "b.png",
        "c.png",
    ]


def test_what_systems_leave_behind_is_no_item(tmp_path):
    make(tmp_path, "rose.jpg", "@eaDir/rose.jpg/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/._rose.jpg", "__MACOSX/rose.jpg")
    make(
        tmp_path,
        "a/#recycle/b.png",
        "a/lost+found/b.png",
        "$RECYCLE.BIN/b.png",
        ".AppleDouble/b.png",
        ".thumbnails/b.png",
    )
    make(tmp_path, "Thumbs.db", "desktop.ini", ".DS_Store", "._rose.jpg")
    left_out = Counter()
    assert [row.id for row in read_source(tmp_path, left_out=left_out)] == ["rose.jpg"]
    assert not left_out


def test_other_suffixes_are_left_out_and_counted(tmp_path):
    make(tmp_path, "a.png", "b.pdf", "sub/c.PDF", "sub/README", "sub/.hidden.pdf")
    left_out = Counter()
    assert [row.id for row in read_source(tmp_path, left_out=left_out)] == ["a.png"]
    assert left_out == {".pdf": 2, "without a suffix": 1}


def test_every_format_that_is_read_is_an_item(tmp_path):
    names = [f"{number}{suffix}" for number, suffix in enumerate(sorted(OF_SUFFIX))]
    make(tmp_path, *names)
    assert {row.id for row in read_source(tmp_path)} == set(names)
    assert {".jfif", ".jpe", ".avif", ".jp2", ".ppm", ".mpg", ".wmv"} <= OF_SUFFIX.keys()


def test_metadata_files_of_sub_folders(tmp_path):
    """As datasets of pictures lay them out: train/metadata.jsonl names what lies beside it."""
    make(
        tmp_path,
        "train/1.png",
        "train/sub/2.png",
        "train/3.png",
        "test/1.png",
        "plain/4.png",
        "plain/4.txt",
        content=b"red",
    )
    rows = [
        {"file_name": "1.png", "text": "one", "year": 1},
        {"file_name": "sub/2.png"},
        {"file_name": "../plain/4.png"},
    ]
    make(tmp_path, "train/metadata.jsonl", content="".join(json.dumps(row) + "\n" for row in rows).encode())
    make(tmp_path, "test/metadata.csv", content=b"file_name,text\n1.png,one\n")
    left_out = Counter()
    assert list(read_source(tmp_path, left_out=left_out)) == [
        Record("plain/4.png", str(tmp_path / "plain/4.png"), texts=("red",)),
        Record("test/1.png", str(tmp_path / "test/1.png"), texts=("one",)),
        Record("train/1.png", str(tmp_path / "train/1.png"), texts=("one",), metadata={"year": 1}),
        Record("train/sub/2.png", str(tmp_path / "train/sub/2.png")),
        Record("train/../plain/4.png", str(tmp_path / "train/../plain/4.png")),
    ]
    assert left_out == {"not in the metadata file": 1}


def test_metadata_that_is_none_takes_no_pictures_along(tmp_path):
    """Anybody may call a table so; below the folder that was asked for it is a reject, and the files are read."""
    make(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    make(tmp_path, "a/metadata.csv", content=b"name,value\nsize,3\n")
    make(tmp_path, "b/metadata.csv", "b/metadata.jsonl", content=b"id,text\n1,a\n")
    (tmp_path / "c" / "metadata.parquet").mkdir()
    rows = list(read_source(tmp_path))
    assert [row.id for row in rows if isinstance(row, Record)] == ["a/1.png", "b/2.png", "c/3.png"]
    assert [row.id for row in rows if isinstance(row, Reject)] == [
        "a/metadata.csv",
        "b/metadata.csv",
        "c/metadata.parquet",
    ]


def test_ids_of_two_metadata_files_must_differ(tmp_path):
    make(tmp_path, "a/metadata.csv", "b/metadata.csv", content=b"id,text\n1,one\n")
    good, bad = read_source(tmp_path)
    assert (good.id, bad.id) == ("1", "1")
    assert "another metadata file" in bad.reason


@pytest.mark.parametrize(
    "named", ["../outside/a.png", "{outside}/a.png", "link/a.png", "link.png", "/proc/self/environ"]
)
@pytest.mark.parametrize("column", ["file_name", "image", "video"])
def test_a_folders_metadata_names_nothing_outside(named, column, tmp_path):
    source, outside = tmp_path / "source", tmp_path / "outside"
    make(outside, "a.png")
    make(source, "b.png")
    (source / "link").symlink_to(outside)
    (source / "link.png").symlink_to(outside / "a.png")
    rows = [{column: named.format(outside=outside), "text": "x"}, {column: str(source / "b.png")}]
    make(source, "metadata.jsonl", content="".join(json.dumps(row) + "\n" for row in rows).encode())
    bad, good = read_source(source)
    assert isinstance(bad, Reject)
    assert "leads out of the folder" in bad.reason
    assert isinstance(good, Record)
    assert isinstance(next(read_manifest(source / "metadata.jsonl")), Record)  # asked for by name it may


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_rejected_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert rejects(tmp_path) == [("pipe.png", "is not a regular file")]


def test_a_path_that_is_too_long_for_an_id_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr("milvus_hash.manifest.cells.MAX_ITEM_BYTES", 600)
    make(tmp_path, "/".join(["d" * 100] * 6) + "/a.png")
    ((_, reason),) = rejects(tmp_path)
    assert "at most 600" in reason


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_an_unreadable_folder_is_rejected(tmp_path):
    make(tmp_path, "closed/a.png", "open.png")
    (tmp_path / "closed").chmod(0)
    try:
        assert [identifier for identifier, _ in rejects(tmp_path)] == ["closed"]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_folder_without_anything_is_refused(tmp_path):
    make(tmp_path, "notes.pdf")
    with pytest.raises(InputError, match=r"no picture \(.*\), no clip \(.*\.mp4.*\) and no text"):
        list(read_folder(tmp_path))
    with pytest.raises(InputError, match="no folder"):
        list(read_folder(tmp_path / "absent"))

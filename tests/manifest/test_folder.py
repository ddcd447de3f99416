"""A folder of files as records."""

from __future__ import annotations

import os
import sys

import pytest

from milvus_hash.errors import InputError
from milvus_hash.manifest import read_source
from milvus_hash.manifest.folder import read_folder
from milvus_hash.record import Record, Reject
from milvus_hash.store.schema import MAX_ITEM_BYTES


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


def test_links(tmp_path):
    make(tmp_path, "real/a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "a.png")
    (tmp_path / "nothing.png").symlink_to(tmp_path / "absent.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    good = [row.id for row in read_folder(tmp_path) if isinstance(row, Record)]
    assert good == ["link.png", "real/a.png"]
    assert rejects(tmp_path) == [
        ("loop", "is a link to a folder, which is not followed"),
        ("nothing.png", "is a link to nothing"),
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_rejected_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert rejects(tmp_path) == [("pipe.png", "is not a regular file")]


def test_a_path_that_is_too_long_for_an_id_is_rejected(tmp_path):
    make(tmp_path, "/".join(["d" * 100] * 6) + "/a.png")
    ((_, reason),) = rejects(tmp_path)
    assert f"at most {MAX_ITEM_BYTES}" in reason


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

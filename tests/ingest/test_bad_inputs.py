"""Every bad input there is, in one folder and in one manifest: a line each, and the neighbours keep their codes."""

from __future__ import annotations

import csv
import json
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from milvus_hash.cli import main
from milvus_hash.collection import HashCollection

ODD_IDS = [
    "it's",
    'say "hi"',
    "two\nlines",
    "\N{GRINNING FACE}",
    "'; DROP TABLE rows; --",
    "a#image#0",
    "100%25",
    "../../etc/passwd",
    "$meta",
    "tab\there",
]


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG of 1 bit a pixel with this header and this compressed data, checksums right."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb() -> bytes:
    """900 million pixels in some 100 kB, every one of them there."""
    row = b"\0" + bytes(30_000 // 8)
    packer = zlib.compressobj(9)
    return png(30_000, 30_000, b"".join(packer.compress(row) for _ in range(30_000)) + packer.flush())


def good_picture(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


BAD_PICTURES = {
    "bomb.png": ("bomb", r"900,000,000 pixels|too many pixels"),
    "empty.png": (b"", "is empty"),
    "text.png": (b"this is no picture", "not a picture"),
    "zero.png": (png(0, 0, zlib.compress(b"")), "zero.png"),
    "truncated.png": ("truncated", "truncated.png cannot be decoded"),
}


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory) -> Path:
    """Bad pictures between good ones, by name: a, bomb, c, empty, ..."""
    folder = tmp_path_factory.mktemp("bad") / "pictures"
    folder.mkdir()
    for number, name in enumerate(["a.png", "c.png", "good.png", "u.png", "zz.png"]):
        good_picture(folder / name, number)
    for name, (content, _) in BAD_PICTURES.items():
        if content == "bomb":
            content = bomb()
        elif content == "truncated":
            content = (folder / "a.png").read_bytes()[:300]
        (folder / name).write_bytes(content)
    return folder


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stderr


def read_rejects(path: Path) -> dict[str, tuple[str, str]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(list(line) == ["id", "path", "reason"] for line in lines)
    return {line["id"]: (line["path"], line["reason"]) for line in lines}


def assert_codes_are_their_own(encoder, uri: str, items: dict[str, Path]) -> None:
    """The collection holds exactly these pictures, each with the code that it gets when encoded alone."""
    with HashCollection.open("bad", encoder, uri=uri) as collection:
        assert collection.count("image") == len(items)
        rows = {row.item: bytes(row.code) for row in collection.get(list(items), modality="image")}
    assert rows == {item: encoder.encode_images([path]).tobytes() for item, path in items.items()}


def test_a_folder_with_every_bad_file(bad_files, tiny_bundle, tiny_encoder, tmp_path, lite_file):
    folder = tmp_path / "source"
    folder.mkdir()
    for file in bad_files.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "directory.png").mkdir()
    good_picture(folder / "directory.png" / "inside.png", 9)
    (folder / "link.png").symlink_to(folder / "nowhere.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "latin1.txt").write_bytes("caf\xe9".encode("latin-1"))
    (folder / "huge.txt").write_text("word " * 200_000)
    (folder / "blank.txt").write_text(" \n")
    (folder / "a.txt").write_bytes(b"\xff")  # the bad caption of a good picture
    rejects = tmp_path / "rejects.jsonl"
    code, stderr = run("ingest", folder, "--bundle", tiny_bundle, "-c", "bad", "--uri", lite_file, "--rejects", rejects)
    assert code == 3, stderr
    found = read_rejects(rejects)
    expected = {
        **{name: reason for name, (_, reason) in BAD_PICTURES.items()},
        "directory.png": "is a directory",
        "link.png": "link to nothing",
        "pipe.png": "not a regular file",
        "latin1.txt": "not UTF-8",
        "huge.txt": "bytes",
        "blank.txt": "empty",
        "a.txt": "not UTF-8",
    }
    assert set(found) == set(expected)
    for name, reason in expected.items():
        assert found[name][0] == str(folder / name)
        assert re.search(reason, found[name][1]), found[name]
    assert f"{len(expected)} rejected" in stderr
    assert str(rejects) in stderr
    names = ["a.png", "c.png", "good.png", "u.png", "zz.png", "directory.png/inside.png"]
    assert_codes_are_their_own(tiny_encoder, lite_file, {name: folder / name for name in names})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_a_reject(tiny_bundle, tmp_path, lite_file):
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        good_picture(folder / name, 0)
    (folder / "a.png").chmod(0)
    rejects = tmp_path / "rejects.jsonl"
    code, stderr = run("ingest", folder, "--bundle", tiny_bundle, "--uri", lite_file, "--rejects", rejects)
    assert code == 3, stderr
    assert list(read_rejects(rejects)) == ["a.png"]
    assert "Permission denied" in read_rejects(rejects)["a.png"][1]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_manifest_with_every_bad_row(bad_files, tiny_bundle, tiny_encoder, tmp_path, lite_file, suffix):
    rows = [{"id": "first", "image": str(bad_files / "a.png")}]
    for number, odd in enumerate(ODD_IDS):
        rows.append({"id": odd, "image": str(bad_files / ("c.png" if number % 2 else "good.png")), "text": "a cat"})
        name = list(BAD_PICTURES)[number % len(BAD_PICTURES)]
        rows.append({"id": f"bad {number}", "image": str(bad_files / name), "text": "a dog"})
    rows += [
        {"id": "missing", "image": "not/there.png"},
        {"id": "first", "image": str(bad_files / "c.png")},
        {"id": "", "image": str(bad_files / "c.png")},
        {"id": "long text", "text": "word " * 200_000},
        {"id": "folder", "image": str(bad_files)},
        {"id": "split", "image": str(bad_files / "a.png"), "split": "nonsense"},
        {"id": "last", "image": str(bad_files / "zz.png")},
    ]
    manifest = tmp_path / f"manifest.{suffix}"
    write_table(manifest, rows)
    rejects = tmp_path / "rejects.jsonl"
    code, stderr = run(
        "ingest", manifest, "--bundle", tiny_bundle, "-c", "bad", "--uri", lite_file, "--rejects", rejects
    )
    assert code == 3, stderr
    found = read_rejects(rejects)
    bad = {f"bad {number}" for number in range(len(ODD_IDS))}
    broken = {"": "id is empty", "missing": "does not exist", "first": "already taken", "long text": "1,000,000 bytes"}
    broken |= {"folder": "is a directory", "split": "nonsense"}
    assert set(found) == bad | set(broken)
    assert all(reason in found[item][1] for item, reason in broken.items())
    items = {odd: bad_files / ("c.png" if number % 2 else "good.png") for number, odd in enumerate(ODD_IDS)}
    items |= {"first": bad_files / "a.png", "last": bad_files / "zz.png"}
    assert_codes_are_their_own(tiny_encoder, lite_file, items)
    with HashCollection.open("bad", tiny_encoder, uri=lite_file) as collection:
        texts = collection.get(sorted(bad), modality="text")  # a bad picture does not take its text along
        assert {row.item for row in texts} == bad
        assert {bytes(row.code) for row in texts} == {tiny_encoder.encode_texts(["a dog"]).tobytes()}


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    """The rows as any other program would write them."""
    columns = ["id", "image", "text", "split"]
    if path.suffix == ".parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in columns}), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


def test_broken_lines_of_a_manifest(bad_files, tiny_bundle, tiny_encoder, tmp_path, lite_file):
    good = [json.dumps({"id": name, "image": str(bad_files / name)}) for name in ("a.png", "c.png", "zz.png")]
    manifest = tmp_path / "manifest.jsonl"
    lines = [good[0].encode(), b'{"id": "half', good[1].encode(), b"[1, 2]", b'{"id": "\xff"}', good[2].encode()]
    manifest.write_bytes(b"\n".join(lines))
    rejects = tmp_path / "rejects.jsonl"
    code, stderr = run(
        "ingest", manifest, "--bundle", tiny_bundle, "-c", "bad", "--uri", lite_file, "--rejects", rejects
    )
    assert code == 3, stderr
    paths = [json.loads(line)["path"] for line in rejects.read_text().splitlines()]
    assert paths == [f"{manifest}:{line}" for line in (2, 4, 5)]
    names = ("a.png", "c.png", "zz.png")
    assert_codes_are_their_own(tiny_encoder, lite_file, {name: bad_files / name for name in names})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("id,price\n1,2\n", "has none of the columns", id="no-media"),
        pytest.param("image,text\na.png,x\n", "has no column 'id'", id="no-id"),
        pytest.param("", "manifest.csv", id="empty"),
        pytest.param("id,text,path\n1,a cat,x\n", "path: the collection uses these names", id="reserved"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_line_and_exit_1(content, message, tiny_bundle, tmp_path, lite_file):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(content)
    code, stderr = run(
        "ingest", manifest, "--bundle", tiny_bundle, "--uri", lite_file, "--rejects", tmp_path / "r.jsonl"
    )
    assert code == 1
    assert stderr.startswith("Error: ")
    assert stderr.count("\n") == 1
    assert message in stderr

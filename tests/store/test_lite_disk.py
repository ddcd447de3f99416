"""Milvus Lite and the disk: what it does not store is said, and nothing that was there is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from click.testing import CliRunner
from plain_pymilvus import plain_client
from pymilvus import DataType, MilvusClient
from which_lite import IS_THREE, only_lite_2, only_lite_3

from milvus_hash import adopt
from milvus_hash.cli import ingest
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import StoreError
from milvus_hash.record import Record
from milvus_hash.store import lite_disk
from milvus_hash.store.connection import Connection
from milvus_hash.store.schema import primary_key

ROOT = Path(__file__).parents[2]
_MORE = 3000 if IS_THREE else 0


def rows(count: int, text: str = "a" * 200, start: int = 0) -> list[CodeRow]:
    return [CodeRow(f"{n:05}", "image", 0, bytes(8), {"note": text}) for n in range(start, start + count)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes disks of so many kB, and of more where Milvus Lite 3 is to write its 2 MB; only root can."""
    made: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size + _MORE}k", "tmpfs", folder], capture_output=True
        )
        if done.returncode:
            pytest.skip("making a small disk needs root")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", folder], check=True)


def fill(collection: HashCollection) -> None:
    for start in count(step=500):
        collection.add_codes(rows(500, start=start))


def reopened(path: str, encoder: Encoder) -> int:
    with HashCollection.open("c", encoder, uri=path) as collection:
        return collection.count()


def test_what_a_full_disk_cannot_take_is_an_error_and_the_rest_stays(small_disk, tiny_encoder):
    path = f"{small_disk(3000)}/own.db"
    with HashCollection.create("c", tiny_encoder, uri=path) as collection:
        with pytest.raises(StoreError, match=r"no room for 500 more rows .* nothing was written"):
            fill(collection)
        written = collection.count()
        assert written > 0
        with pytest.raises(StoreError, match=r"no room for .* what was there is as it was"):  # over what is there
            collection.add_codes(rows(written, "b" * 400))
        assert collection.count() == written
    assert reopened(path, tiny_encoder) == written
    with HashCollection.open("c", tiny_encoder, uri=path) as collection:
        assert {row.fields["note"] for row in collection.get(["00000", f"{written - 1:05}"])} == {"a" * 200}


@only_lite_2
def test_a_disk_that_fills_up_just_then(small_disk, tiny_encoder, monkeypatch):
    """Milvus Lite says that all went well; the file does not have the rows."""
    path = f"{small_disk(3000)}/own.db"
    with HashCollection.create("c", tiny_encoder, uri=path) as collection:
        collection.add_codes(rows(1000))
        monkeypatch.setattr(lite_disk, "check_room", lambda *_: None)  # stands for another program that is as quick
        with pytest.raises(StoreError, match=r"10,000 rows were not stored in .* see that the disk has room"):
            collection.add_codes(rows(10_000, start=1000))
        assert collection.count() == 1000  # not what Milvus Lite had in memory
    assert reopened(path, tiny_encoder) == 1000


def test_a_full_disk_can_be_searched_and_nothing_be_made_on_it(small_disk, tiny_encoder):
    folder = small_disk(2000)
    path = f"{folder}/own.db"
    with HashCollection.create("c", tiny_encoder, uri=path) as collection:
        collection.add_codes(rows(100))
    with suppress(OSError), (folder / "other").open("wb", buffering=0) as other:
        while other.write(bytes(4096)):
            pass
    with HashCollection.open("c", tiny_encoder, uri=path) as collection:
        assert len(collection.search(code=bytes(8))) == 10
    with pytest.raises(StoreError, match="no room for a collection"):
        HashCollection.create("d", tiny_encoder, uri=path)
    with pytest.raises(StoreError, match="cannot be made: the disk is full"):
        HashCollection.create("d", tiny_encoder, uri=f"{folder}/new.db")


def test_ingest_on_a_full_disk_says_so_and_exits_with_1(small_disk, tiny_encoder, tmp_path):
    path, manifest = f"{small_disk(1500)}/own.db", tmp_path / "m.jsonl"
    line = '{{"id": "{}", "text": "a red bus", "note": "' + "x" * 200 + '"}}\n'
    manifest.write_text("".join(line.format(n) for n in range(4000)))
    where = ["--uri", path, "--collection", "c", "--bundle", str(tiny_encoder.bundle.path)]
    done = CliRunner().invoke(ingest.command, [str(manifest), *where, "--rejects", str(tmp_path / "rejects.jsonl")])
    assert isinstance(done.exception, StoreError)
    assert "no room for" in str(done.exception)
    assert "rows written" not in done.stderr
    assert "run the same command with --resume to go on" in done.stderr


@only_lite_2
def test_adopt_on_a_full_disk(small_disk, tmp_path):
    path = f"{small_disk(3000)}/own.db"
    connection = Connection(path)
    client = connection.client
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=16)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_collection("source", schema=schema, index_params=index)
    vectors = np.random.default_rng(0).normal(size=(6000, 16)).astype(np.float32)
    client.insert("source", [{"id": n, "vector": vector} for n, vector in enumerate(vectors)])
    with pytest.raises(StoreError, match="no room for"):
        adopt.adopt(
            "source", "vector", collection="codes", bundle_path=tmp_path / "bundle", bits=64, sample=500, uri=path
        )
    connection.close()


LIMITED = """
    import resource, sys
    from milvus_hash import CodeRow, Encoder, HashCollection, StoreError
    collection = HashCollection.create("c", Encoder.load(sys.argv[2]), uri=sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        collection.add_codes(CodeRow(str(n), "image", 0, bytes(8)) for n in range(5000))
    except StoreError as error:
        print(error, collection.count())
"""


def test_a_limit_on_the_size_of_files(lite_file, tiny_bundle):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), lite_file, tiny_bundle],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "no room for 5,000 more rows" in done.stdout, done.stderr
    assert done.stdout.endswith("0\n")


@only_lite_2
@pytest.mark.parametrize("what", ["removed", "emptied", "replaced"])
def test_a_file_that_something_else_takes_away(lite_file, tiny_encoder, what):
    collection = HashCollection.create("c", tiny_encoder, uri=lite_file)
    collection.add_codes(rows(10))
    path = Path(lite_file)
    if what == "emptied":
        os.truncate(path, 0)
    else:
        path.unlink()
    if what == "replaced":
        path.write_bytes(b"something else")
    with pytest.raises(StoreError, match=r"cannot be written any more|were not stored|failed"):
        collection.add_codes(rows(10, start=10))
    collection.close()


def test_a_read_only_disk(small_disk, tiny_encoder):
    folder = small_disk(4000)
    HashCollection.create("c", tiny_encoder, uri=f"{folder}/own.db").close()
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    for name in ("own.db", "new.db"):
        with pytest.raises(StoreError, match="a read-only disk; Milvus Lite writes to the file"):
            HashCollection.exists("c", uri=f"{folder}/{name}")


@only_lite_2
def test_rows_of_several_threads_and_of_a_client_beside_them(lite_file, tiny_encoder):
    """Each batch is looked for in the file; others that come between do not hide it."""
    with HashCollection.create("c", tiny_encoder, uri=lite_file) as collection:
        client = plain_client(lite_file)

        def beside() -> None:
            for n in range(20):
                item = f"beside{n}"
                row = {"pk": primary_key(item, "text", 0), "item": item, "modality": "text", "ordinal": 0}
                client.upsert("c", [{**row, "code": bytes(8)}])

        with ThreadPoolExecutor(4) as pool:
            pool.submit(beside)
            written = list(pool.map(lambda n: collection.add_codes(rows(50, start=100 * n)), range(12)))
        assert sum(written) == collection.count("image") == 600
        assert collection.count("text") == 20
        client.close()


@only_lite_2
def test_a_file_that_is_half_written_for_somebody_else_is_looked_at_again(lite_file, tiny_encoder):
    with HashCollection.create("c", tiny_encoder, uri=lite_file) as collection:
        collection.add_codes(rows(500))
    path = Path(lite_file)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    assert not lite_disk._has_row(path, "c", primary_key("00499", "image", 0))
    finished = Timer(0.3, path.write_bytes, [whole])
    finished.start()
    assert lite_disk.is_stored(path, "c", primary_key("00499", "image", 0))
    assert not lite_disk.is_stored(path, "c", primary_key("00500", "image", 0))
    finished.join()


def test_add_by_the_sdk_raises_too(small_disk, tiny_encoder):
    path = f"{small_disk(1000)}/own.db"
    with (
        HashCollection.create("c", tiny_encoder, uri=path) as collection,
        pytest.raises(StoreError, match="no room for"),
    ):
        collection.add(Record(str(n), texts=("a red bus " * 30,)) for n in range(3000))


TORN = """
    import os, sys
    from pathlib import Path
    from milvus_hash import CodeRow, Encoder, HashCollection, StoreError
    from milvus_hash.store import lite_disk
    lite_disk.check_room = lambda *_: None  # stands for another program that fills the disk just then


    def rows(start, count):
        return [CodeRow(str(n), "image", 0, bytes(8), {"note": "a" * 200}) for n in range(start, start + count)]

    collection = HashCollection.create("c", Encoder.load(sys.argv[2]), uri=sys.argv[1])
    written = 0
    try:
        while True:
            written += collection.add_codes(rows(written, 500))
    except StoreError as error:
        assert "No space left on device" in str(error)
    Path(sys.argv[3]).unlink()
    written += collection.add_codes(rows(100_000, 7))
    print(written, collection.count(), flush=True)
    os.kill(os.getpid(), 9)
"""
AGAIN = """
    import sys
    from milvus_hash import Encoder, HashCollection

    with HashCollection.open("c", Encoder.load(sys.argv[2]), uri=sys.argv[1]) as collection:
        print(collection.count())
"""


def printed(code: str, *arguments: object) -> list[int]:
    """The numbers that a process of its own prints, so that Milvus Lite 3 is as this package starts it."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return [int(number) for number in done.stdout.split()]


@only_lite_3
def test_what_is_written_after_a_batch_that_failed_outlives_a_kill(small_disk, tiny_bundle):
    folder = small_disk(3000)
    (folder / "other").write_bytes(bytes(3_000_000))
    written, counted = printed(TORN, f"{folder}/own.db", tiny_bundle, folder / "other")
    assert [written] == [counted] == printed(AGAIN, f"{folder}/own.db", tiny_bundle)
    assert written > 500

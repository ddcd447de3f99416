"""Opening: by the deadline, whoever else opens, however late Milvus Lite is, and whatever the environment says."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from milvus_lite.server_manager import server_manager_instance
from which_lite import only_lite_2

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError, StoreError
from milvus_hash.store import driver as driver  # imported by now, as it may take longer than the bounds below
from milvus_hash.store import lite
from milvus_hash.store.connection import Connection
from milvus_hash.store.deadline import Deadline

ROOT = Path(__file__).parents[1]
TIMEOUT = 2.0
ALONE = 10.0  # what eight that wait for each other would exceed, and a slow machine does not


@pytest.fixture
def silent() -> Iterator[str]:
    """The uri of a port that is open and where nobody says a word."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(100)
        yield f"http://127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def slow_lite(tmp_path, monkeypatch) -> Path:
    """A Milvus Lite whose server takes a second to start, or does what the test writes into the script."""
    script = tmp_path / "late" / "milvus"
    script.parent.mkdir()
    from milvus_lite.server import BIN_PATH

    library = Path(BIN_PATH)
    script.write_text(f'#!/bin/sh\nsleep 1\nexport LD_LIBRARY_PATH={library}\nexec {library}/milvus "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("BIN_PATH", str(script.parent))
    return script


def seconds_to_fail(uri: str, **options: object) -> float:
    start = time.monotonic()
    with pytest.raises(StoreError, match="cannot open"):
        Connection(uri, timeout=TIMEOUT, **options).open(Deadline(TIMEOUT))
    return time.monotonic() - start


@pytest.mark.parametrize("tokens", [["a"] * 8, list("abcdefgh")], ids=["one login", "many logins"])
def test_threads_at_a_silent_server_wait_side_by_side(silent, tokens):
    with ThreadPoolExecutor(len(tokens)) as pool:
        took = list(pool.map(lambda token: seconds_to_fail(silent, token=token), tokens))
    assert max(took) < ALONE


def test_threads_that_share_a_connection_wait_side_by_side(silent):
    connection = Connection(silent, timeout=TIMEOUT)

    def look(_: int) -> float:
        start = time.monotonic()
        with pytest.raises(StoreError, match="cannot open"):
            connection.call("looking", "has_collection", "any")
        return time.monotonic() - start

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(look, range(8))) < ALONE


def test_tasks_at_a_silent_server_wait_side_by_side(silent, tiny_encoder):
    """More of them than asyncio has threads."""

    async def look(number: int) -> float:
        start = time.monotonic()
        with pytest.raises(StoreError, match="cannot open"):
            await AsyncHashCollection.open(f"any{number}", tiny_encoder, uri=silent, timeout=TIMEOUT)
        return time.monotonic() - start

    async def look_all() -> list[float]:
        return await asyncio.gather(*map(look, range(40)))

    assert max(asyncio.run(look_all())) < ALONE


def test_a_silent_server_keeps_nobody_from_another(silent, server_uri):
    waiting = threading.Thread(target=seconds_to_fail, args=(silent,))
    waiting.start()
    time.sleep(0.2)
    assert HashCollection.exists("any", uri=server_uri, timeout=30) is False
    assert waiting.is_alive()
    waiting.join()


def test_a_call_has_one_deadline_opening_included(silent):
    connection = Connection(silent, timeout=60)
    start = time.monotonic()
    with pytest.raises(StoreError, match="cannot open"):
        connection.call("looking", "has_collection", "any", timeout=1)
    assert time.monotonic() - start < 20


@only_lite_2
def test_milvus_lite_may_take_its_time(slow_lite, lite_file, tiny_encoder):
    with HashCollection.create("mine", tiny_encoder, uri=lite_file) as collection:
        collection.add_codes([CodeRow("a", "image", 0, bytes(8))])

    async def count() -> int:
        async with await AsyncHashCollection.open("mine", tiny_encoder, uri=lite_file) as again:
            return await again.count()

    assert asyncio.run(count()) == 1


@only_lite_2
def test_milvus_lite_that_takes_longer_than_the_timeout_is_stopped(slow_lite, lite_file):
    slow_lite.write_text("#!/bin/sh\nexec sleep 60\n")
    assert seconds_to_fail(lite_file) < ALONE
    assert not lite.is_running(Path(lite_file))


@only_lite_2
def test_milvus_lite_that_ends_while_it_starts_is_not_waited_for(slow_lite, lite_file):
    slow_lite.write_text("#!/bin/sh\nsleep 1\nexit 1\n")
    start = time.monotonic()
    with pytest.raises(StoreError, match="cannot open"):
        Connection(lite_file, timeout=60).open(Deadline(60))
    assert time.monotonic() - start < 30


@only_lite_2
def test_milvus_lite_that_was_killed_is_started_again(lite_file, tiny_encoder):
    first = HashCollection.create("mine", tiny_encoder, uri=lite_file)
    first.add_codes([CodeRow("a", "image", 0, bytes(8))])
    process = server_manager_instance._servers[lite_file]._p
    process.kill()
    process.wait()
    first.close()
    with HashCollection.open("mine", tiny_encoder, uri=lite_file) as again:
        assert again.count() == 1


@only_lite_2
def test_a_folder_too_long_for_a_socket(lite_file, tmp_path, monkeypatch):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with pytest.raises(StoreError, match=r"too long a path for Milvus Lite's socket.*set TMPDIR to a shorter one"):
        Connection(lite_file).open(Deadline(30))
    monkeypatch.setattr("tempfile.tempdir", None)
    with closing(Connection(lite_file)) as connection:
        assert connection.client.list_collections() == []


@only_lite_2
def test_the_longest_folder_that_a_socket_may_have(tmp_path_factory, monkeypatch):
    """One byte more is refused here, so this is where the system and Milvus Lite draw the line, too."""
    uri = tmp_path_factory.mktemp("l") / "own.db"
    folder = str(uri.parent)
    room = 107 - len("/tmp12345678_own.db.sock")
    if len(folder) + 2 > room:
        pytest.skip("the folder for temporary files is too long already")
    folder += "/" + "x" * (room - len(folder) - 1)
    Path(folder).mkdir()
    monkeypatch.setattr("tempfile.tempdir", folder)
    with closing(Connection(uri)) as connection:
        assert connection.client.list_collections() == []
    longer = folder + "x"
    Path(longer).mkdir()
    monkeypatch.setattr("tempfile.tempdir", longer)
    with pytest.raises(StoreError, match="too long a path"):
        Connection(uri).open(Deadline(30))


def test_files_may_be_paths(tmp_path, tiny_encoder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    uri = Path("own.db")
    with HashCollection.create("mine", tiny_encoder, uri=uri) as made:
        assert made.uri == "own.db"
        assert HashCollection.exists("mine", uri=Path("~") / uri)
        assert HashCollection.exists("mine", uri=f" {tmp_path / uri}\n")

    async def count() -> int:
        async with await AsyncHashCollection.open("mine", tiny_encoder, uri=tmp_path / uri) as awaited:
            return await awaited.count()

    assert asyncio.run(count()) == 0


@pytest.mark.parametrize("uri", [None, 19530, b"own.db", ["own.db"]])
def test_a_uri_of_another_type(uri):
    with pytest.raises(InputError, match=f"uri is a {type(uri).__name__}"):
        HashCollection.exists("any", uri=uri)


@pytest.mark.parametrize(
    "uri", ["", "~nobody-of-this-name/own.db", "a\0.db", "x" * 5000 + "/own.db", "localhost:19530"]
)
def test_paths_that_are_none(uri):
    with pytest.raises((InputError, StoreError), match=r"^uri "):
        HashCollection.exists("any", uri=uri)


def test_a_deadline_holds_a_lock_in_time_or_not_at_all():
    lock = threading.Lock()
    with Deadline(float("inf")).holding(lock), pytest.raises(asyncio.TimeoutError), Deadline(0.01).holding(lock):
        pytest.fail("it is held twice")
    assert not lock.locked()


IMPORT = """
import os, sys
before = dict(os.environ)
from milvus_hash import Encoder, HashCollection
print(HashCollection.exists("any", uri=sys.argv[1]))
from pymilvus import MilvusClient, connections, settings
print({name for name in os.environ if os.environ[name] != before.get(name)} | before.keys() - os.environ.keys())
print(connections.get_connection_addr("default")["address"])
"""


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("own.db", "localhost:19530"),
        ("~/own.sqlite", "localhost:19530"),
        ("http://host:notaport", "localhost:19530"),
        ("localhost", "localhost:19530"),
        ("http://elsewhere:1234", "elsewhere:1234"),  # which pymilvus can use, and so does
    ],
)
def test_importing_pymilvus_outlives_milvus_uri(lite_file, value, address):
    done = import_with({"MILVUS_URI": value}, lite_file, ROOT)
    assert done.stdout.split("\n") == ["False", "set()", address, ""], done.stderr


def test_importing_pymilvus_outlives_an_env_file(lite_file, tmp_path):
    """Pymilvus reads one, from the working directory in an interactive session."""
    (tmp_path / ".env").write_text("MILVUS_URI=own.db\nMILVUS_CONN_TIMEOUT=soon\nOTHER=1\n")
    done = import_with({}, lite_file, tmp_path, "import sys; sys.ps1 = '>>> '\n" + IMPORT)
    assert done.stdout.startswith("False\n"), done.stderr


def import_with(
    environment: dict[str, str], uri: str, folder: Path, code: str = IMPORT
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MILVUS_")}
    return subprocess.run(
        [sys.executable, "-c", code, uri],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
    )

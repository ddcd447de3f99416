"""What can go wrong between here and Milvus: each has its own clear error, in time and without secrets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from milvus_server import AVAILABLE, milvus_server
from plain_pymilvus import plain_client
from pymilvus import MilvusClient
from which_lite import IS_THREE, only_lite_2

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError, MissingExtra, StoreError
from milvus_hash.store.address import mask
from milvus_hash.store.connection import Connection

ROOT = Path(__file__).parents[1]
SECRET = "s3cr3t-Pa55"


@pytest.fixture(scope="module")
def locked_uri():
    """A server that asks for a login."""
    if not AVAILABLE:
        pytest.skip("the milvus wheel is for Linux on x86-64")
    with milvus_server(authorization=True) as uri:
        yield uri


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def with_login(uri: str, login: str) -> str:
    return uri.replace("://", f"://{login}@")


def shown(caught: pytest.ExceptionInfo[BaseException]) -> str:
    """All that a user could see: the message and the whole traceback with its causes, source lines aside."""
    error: BaseException | None = caught.value
    text = ""
    while error is not None:
        text += f"{error} {error!r} "
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return text + "".join(traceback.format_exception_only(caught.value))


def eventually(do):
    """What it returns once it raises nothing; rights and rows take a moment to spread."""
    end = time.monotonic() + 30
    while True:
        try:
            return do()
        except (StoreError, AssertionError, pytest.fail.Exception):
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


def run_python(code: str, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"},
    )


@pytest.mark.parametrize("login", ["", f"user:{SECRET}", SECRET])
def test_a_server_that_is_down(login):
    uri = f"http://127.0.0.1:{free_port()}"
    start = time.monotonic()
    with pytest.raises(StoreError, match=r"is the server running") as caught:
        HashCollection.exists("any", uri=with_login(uri, login) if login else uri, timeout=3)
    assert time.monotonic() - start < 6
    assert SECRET not in shown(caught)
    assert uri.removeprefix("http://") in str(caught.value)


def test_a_server_that_never_answers():
    """The port is open and nobody speaks gRPC on it: the timeout ends the wait."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(StoreError, match="cannot open"):
            HashCollection.exists("any", uri=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=2)
        assert time.monotonic() - start < 8


def test_a_login_that_is_refused(locked_uri):
    with pytest.raises(StoreError, match="refused the login: the token is missing"):
        HashCollection.exists("any", uri=locked_uri, timeout=10)
    for options in (
        {"uri": locked_uri, "token": f"root:{SECRET}"},
        {"uri": with_login(locked_uri, f"root:{SECRET}")},
        {"uri": with_login(locked_uri, "root:s3cr3t%2DPa55")},
    ):
        with pytest.raises(StoreError, match="refused the login: the token is wrong") as caught:
            HashCollection.exists("any", timeout=10, **options)
        assert SECRET not in shown(caught)
        assert "s3cr3t" not in shown(caught)


def test_a_login_that_is_right(locked_uri, tiny_encoder):
    with HashCollection.create("mine", tiny_encoder, uri=locked_uri, token="root:Milvus", timeout=60) as collection:
        assert collection.add_codes([CodeRow("a", "image", 0, bytes(8))]) == 1
    with HashCollection.open("mine", tiny_encoder, uri=with_login(locked_uri, "root:Milvus")) as again:
        assert again.count() == 1
        assert "Milvus" not in again.uri
        assert "root" not in repr(again)
        with pytest.raises(StoreError) as caught:
            again.count(filter="nonsense ==")
        assert "root:Milvus" not in shown(caught)


def test_a_user_without_rights_is_told_which_one_is_missing(locked_uri, tiny_encoder):
    """A new user may connect and look, no more; with the rights of deploy/README.md it may search."""
    login = {"uri": locked_uri, "user": "guest", "password": SECRET, "timeout": 20}
    with HashCollection.create("kept", tiny_encoder, uri=locked_uri, token="root:Milvus", timeout=60) as kept:
        kept.add_codes([CodeRow("a", "image", 0, bytes(8))])
    root = MilvusClient(locked_uri, token="root:Milvus")
    root.create_user("guest", SECRET)
    root.create_role("reader")
    root.grant_role("guest", "reader")

    def refused(right, do):
        with pytest.raises(StoreError, match=f"the user lacks the right {right}: have it granted to a role") as caught:
            do()
        assert SECRET not in shown(caught)

    assert HashCollection.exists("kept", **login)
    refused("CreateCollection", lambda: HashCollection.create("guests", tiny_encoder, **login))
    refused("Load", lambda: HashCollection.open("kept", tiny_encoder, **login))
    for right in ("Load", "Search", "Query"):
        root.grant_privilege("reader", "Collection", right, "kept")
    with eventually(lambda: HashCollection.open("kept", tiny_encoder, **login)) as mine:
        assert eventually(lambda: mine.search(code=bytes(8)))[0].item == "a"
        assert eventually(mine.count) == 1
        refused("Upsert", lambda: mine.add_codes([CodeRow("b", "image", 0, bytes(8))]))
        refused("Flush", mine.flush)
        refused("DropCollection", mine.drop)
    root.close()


def test_a_password_that_changes_meanwhile(locked_uri, tiny_encoder):
    root = MilvusClient(locked_uri, token="root:Milvus")
    root.create_user("changing", SECRET)
    login = {"uri": locked_uri, "user": "changing", "password": SECRET, "timeout": 5}
    connection = Connection(**login)
    assert connection.call("looking", "has_collection", "any") is False
    root.update_password("changing", SECRET, "another-Pa55")

    def look():
        with pytest.raises(StoreError, match="the login was refused: was the password changed") as caught:
            connection.call("looking", "has_collection", "any")
        assert SECRET not in shown(caught)

    eventually(look)
    connection.close()
    root.close()


def test_logins_that_contradict_each_other():
    for login in ({"user": "a"}, {"password": SECRET}, {"user": "a", "password": SECRET, "token": "b"}):
        with pytest.raises(InputError, match="either token='USER:PASSWORD', or user and password") as caught:
            HashCollection.exists("any", uri="http://localhost:1", **login)
        assert SECRET not in shown(caught)


def test_several_databases(server_uri, tiny_encoder):
    """The same name in two databases is two collections; a database may stand in the uri, too."""
    root = plain_client(server_uri)
    root.create_database("second")
    with (
        HashCollection.create("twice", tiny_encoder, uri=server_uri, timeout=60) as first,
        HashCollection.create("twice", tiny_encoder, uri=server_uri, db="second", timeout=60) as second,
    ):
        second.add_codes([CodeRow("a", "image", 0, bytes(8))])
        assert (first.count(), second.count()) == (0, 1)
        assert "db='second'" in repr(second)
        with pytest.raises(StoreError, match=r"'absent' in http.* \(database 'second'\)"):
            HashCollection.open("absent", tiny_encoder, uri=server_uri, db="second")
        with HashCollection.open("twice", tiny_encoder, uri=f"{server_uri}/second") as again:
            assert again.count() == 1
        first.drop()
        second.drop()
    root.drop_database("second")
    root.close()


def test_collections_with_the_same_options_share_a_client(server_uri, lite_file):
    for uri in (server_uri, lite_file):
        one, two, other = Connection(uri, timeout=17), Connection(uri, timeout=17), Connection(uri, timeout=18)
        assert one.client is two.client
        assert one.client is not other.client
        shared = one.client
        one.close()
        one.close()  # twice is once
        assert two.client is shared
        assert two.call("looking", "has_collection", "any") is False
        two.close()
        assert two.client is not shared
        two.close()
        other.close()


def test_threads_that_open_one_connection_get_one_client(server_uri):
    connection = Connection(server_uri, timeout=19)
    with ThreadPoolExecutor(8) as pool:
        assert len({id(client) for client in pool.map(lambda _: connection.client, range(32))}) == 1
    connection.close()


def test_a_database_that_is_not_there(server_uri, tiny_encoder):
    message = "there is no database 'absent' in http.*; it has default"
    with pytest.raises(StoreError, match=message):
        HashCollection.create("any", tiny_encoder, uri=server_uri, db="absent", timeout=15)
    for where in ({"uri": server_uri, "db": "absent"}, {"uri": f"{server_uri}/absent"}):
        with pytest.raises(StoreError, match=message):
            HashCollection.exists("any", **where)
        with pytest.raises(StoreError, match=message):
            HashCollection.open("any", tiny_encoder, **where)


def test_a_ping_tells_whether_searches_would_work(flat_store, tiny_encoder):
    collection = flat_store.create()
    collection.ping()
    if flat_store.uri.startswith("http"):
        collection.table.call("releasing", "release_collection")
        with pytest.raises(StoreError, match="cannot be searched: it is NotLoad; opening it loads it"):
            collection.ping()
        HashCollection.open(collection.name, tiny_encoder, uri=flat_store.uri, timeout=60).close()
        collection.ping(timeout=5)


@pytest.mark.parametrize(
    "uri",
    [
        f"ftp://user:{SECRET}@host/x",
        f"http://user:{SECRET}@[half",
        f"http://user:{SECRET}@host:notaport",
        f"http://user:{SECRET}@",
    ],
)
def test_addresses_that_are_none(uri):
    with pytest.raises(StoreError, match=r"neither http\(s\)://HOST:PORT nor a local file") as caught:
        HashCollection.exists("any", uri=uri)
    assert SECRET not in shown(caught)


def test_credentials_are_masked_wherever_they_stand():
    assert mask("https://a:b@c:d@host:1/db") == "https://***@host:1/db"
    assert mask("http://host:1") == "http://host:1"
    connection = Connection(f"http://u:{SECRET}@host:1")
    assert SECRET not in connection.uri
    assert SECRET not in repr(connection.address)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("codes.sqlite", "must end in .db"),
        pytest.param("x" * 34 + ".db", "at most 36 characters", marks=only_lite_2),
        pytest.param("it's.db", "out of a-z A-Z 0-9", marks=only_lite_2),
        pytest.param("two words.db", "out of a-z A-Z 0-9", marks=only_lite_2),
        ("absent/codes.db", "does not exist; create it first"),
        ("folder.db", "with other things in it" if IS_THREE else "is not a file"),
        ("text.db", "is not a folder of Milvus Lite 3" if IS_THREE else "is not a file of Milvus Lite 2"),
        ("two.db", "was made by Milvus Lite 2, and 3.* is installed, .*: pip install 'milvus-lite>=2.5.2rc1,<3'")
        if IS_THREE
        else ("three.db", "was made by Milvus Lite 3, and 2.* is installed, .*: pip install 'milvus-lite>=3.2,<4'"),
    ],
)
def test_local_files_that_milvus_lite_would_not_take(tmp_path, name, message):
    (tmp_path / "folder.db" / "other").mkdir(parents=True)
    (tmp_path / "three.db" / "collections").mkdir(parents=True)
    (tmp_path / "two.db").write_bytes(b"SQLite format 3\x00")
    (tmp_path / "text.db").write_text("not a database")
    with pytest.raises(StoreError, match=message):
        HashCollection.exists("any", uri=str(tmp_path / name))
    assert not list(tmp_path.glob(".*.lock"))


OPEN = """
    import sys
    from milvus_hash import HashCollection, StoreError
    try:
        print(HashCollection.exists("mine", uri=sys.argv[1]))
    except StoreError as error:
        print(error)
"""


def test_a_second_process_is_refused_and_does_no_harm(lite_file, tiny_encoder):
    with HashCollection.create("mine", tiny_encoder, uri=lite_file) as first:
        first.add_codes([CodeRow("a", "image", 0, bytes(8))])
        for _ in range(2):  # a failed open of Milvus Lite would let the next one in
            assert "is open in another process" in run_python(OPEN, lite_file).stdout
        first.add_codes([CodeRow("b", "image", 0, bytes(8))])
        assert first.count() == 2
    done = run_python(OPEN, lite_file)
    assert done.stdout == "True\n", done.stderr  # closed here, so it may open it now
    with HashCollection.open("mine", tiny_encoder, uri=lite_file) as again:
        assert again.count() == 2


def test_a_file_whose_owner_was_killed_opens_again(lite_file, tiny_encoder):
    HashCollection.create("mine", tiny_encoder, uri=lite_file).close()
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from milvus_hash.store.connection import Connection;"
            "Connection(sys.argv[1]).client; print('open', flush=True); time.sleep(60)",
            lite_file,
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        owner.kill()
    assert HashCollection.exists("mine", uri=lite_file)


def test_collections_of_one_process_share_a_file(lite_file, tiny_encoder):
    first = HashCollection.create("first", tiny_encoder, uri=lite_file)
    second = HashCollection.create("second", tiny_encoder, uri=lite_file)
    first.close()
    first.close()  # closing twice is nothing
    second.add_codes([CodeRow("a", "image", 0, bytes(8))])
    assert second.count() == 1
    with pytest.raises(StoreError, match="collection 'first' is closed: open it again"):
        first.count()
    second.close()


def test_without_milvus_lite_the_extra_is_named(tmp_path, monkeypatch):
    """metadata.version looks along sys.path; without site-packages on it nothing is installed."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(MissingExtra, match=r"pip install 'milvus-hash\[lite\]'"):
        HashCollection.exists("any", uri=str(tmp_path / "codes.db"))

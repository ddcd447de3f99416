"""What can go wrong between here and Milvus: each has its own clear error, in time and without secrets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
import traceback
from pathlib import Path

import pytest
from milvus_server import AVAILABLE, milvus_server

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import MissingExtra, StoreError
from milvus_hash.store.connection import Connection, mask

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


def test_a_database_that_is_not_there(server_uri, tiny_encoder):
    with pytest.raises(StoreError, match=r"database:?.* not found"):
        HashCollection.create("any", tiny_encoder, uri=server_uri, db="absent", timeout=5)


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
    assert SECRET not in repr(vars(Connection(f"http://u:{SECRET}@host:1"))["uri"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("codes.sqlite", "must end in .db"),
        ("x" * 34 + ".db", "at most 36 characters"),
        ("it's.db", "out of a-z A-Z 0-9"),
        ("two words.db", "out of a-z A-Z 0-9"),
        ("absent/codes.db", "does not exist; create it first"),
        ("folder.db", "is not a file"),
        ("text.db", "is not a file of Milvus Lite"),
    ],
)
def test_local_files_that_milvus_lite_would_not_take(tmp_path, name, message):
    (tmp_path / "folder.db").mkdir()
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
    assert first.count() == 0  # a closed one opens itself again
    first.close()
    second.close()


FAKE = "Metadata-Version: 2.1\nName: milvus-lite\nVersion: 3.2.2\n"


def test_milvus_lite_3_is_refused(tmp_path):
    """A second, newer milvus-lite stands first on the path, as its installation would."""
    (tmp_path / "milvus_lite-3.2.2.dist-info").mkdir()
    (tmp_path / "milvus_lite-3.2.2.dist-info" / "METADATA").write_text(FAKE)
    done = run_python(OPEN, str(tmp_path / "codes.db"), path=str(tmp_path))
    assert "milvus-lite 3.2.2 is installed; 3.x cannot store binary vectors" in done.stdout, done.stderr
    assert "pip install 'milvus-lite>=2.5.2rc1,<3'" in done.stdout
    assert not (tmp_path / "codes.db").exists()


def test_without_milvus_lite_the_extra_is_named(tmp_path, monkeypatch):
    """metadata.version looks along sys.path; without site-packages on it nothing is installed."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(MissingExtra, match=r"pip install 'milvus-hash\[lite\]'"):
        HashCollection.exists("any", uri=str(tmp_path / "codes.db"))

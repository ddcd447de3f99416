"""One process per file of Milvus Lite 2: also while one is closing, was killed, or has forked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from which_lite import only_lite_2

from milvus_hash.errors import StoreError
from milvus_hash.store.connection import Connection

pytestmark = only_lite_2

ROOT = Path(__file__).parents[2]
HEAD = """
import os, signal, sys
from milvus_hash.store.connection import Connection
connection = Connection(sys.argv[1])
connection.call("listing", "list_collections")
from milvus_lite.server_manager import server_manager_instance
lite = server_manager_instance._servers[sys.argv[1]]._p.pid

def say(what):
    print(what, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def owner(path: str, then: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has ``path`` open; it says a line and waits for one, wherever ``then`` does."""
    code = HEAD + textwrap.dedent(then)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def look(path: str) -> list[str]:
    connection = Connection(path)
    try:
        return connection.call("listing", "list_collections")
    finally:
        connection.close()


def is_open(connection: Connection) -> bool:
    try:
        connection.call("listing", "list_collections")
    except StoreError as error:
        if "is open in another process" not in str(error):
            raise
        return False
    return True


def refused(path: str) -> None:
    with pytest.raises(StoreError, match="is open in another process"):
        look(path)


SLOW = """
    os.kill(lite, signal.SIGSTOP)  # so that it takes its two seconds to end
    say("closing")
    connection.close()
    say("closed")
"""


def test_who_comes_while_the_file_is_being_closed_waits_or_is_refused(lite_file: str):
    """Nobody's lock file is deleted by the one that is just leaving."""
    with owner(lite_file, SLOW) as leaving:
        assert heard(leaving) == "closing"
        go_on(leaving)
        connection = Connection(lite_file)
        while not is_open(connection):
            pass
        assert heard(leaving) == "closed"  # not before it is
        with owner(lite_file, "say('got in')") as third:
            assert heard(third) == ""
        connection.close()
    assert look(lite_file) == []


def test_a_killed_process_has_the_file_until_its_milvus_lite_has_ended(lite_file: str):
    with owner(lite_file, "os.kill(lite, signal.SIGSTOP); say(lite)") as killed:
        lite = int(heard(killed))
        killed.kill()
        killed.wait()
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(look, lite_file)
            try:
                assert not opening.done()
            finally:
                os.kill(lite, signal.SIGCONT)
            assert opening.result() == []


@pytest.mark.parametrize("how", ["sys.exit()", "connection.close(); sys.exit()"])
def test_a_fork_that_ends_leaves_the_file_to_its_parent(lite_file: str, how: str):
    code = f"child = os.fork()\nif not child:\n    {how}\nos.waitpid(child, 0)\n"
    code += "say('forked')\nprint(connection.call('listing', 'list_collections'), flush=True)\n"
    with owner(lite_file, code) as parent:
        assert heard(parent) == "forked"
        refused(lite_file)
        go_on(parent)
        assert heard(parent) == "[]"


def test_the_lock_file_stays_and_is_no_obstacle(lite_file: str):
    path = Path(lite_file)
    for _ in range(2):
        assert look(lite_file) == []
        assert [one.name for one in path.parent.glob(".*lock")] == [".own.db.milvus-hash.lock"]

"""The command as a process: streams that are closed, full or left, other codecs, signals at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from milvus_hash.collection import HashCollection
from milvus_hash.record import Record

ROOT = Path(__file__).parents[2]
COMMAND = f"{sys.executable} -m milvus_hash"
TEXT = "zoë — a red rose 花"


@pytest.fixture(scope="module")
def asked(tiny_bundle, tiny_encoder, tmp_path_factory) -> str:
    """A search that finds a text of many scripts, as a line of a shell."""
    uri = tmp_path_factory.mktemp("process") / "own.db"
    with HashCollection.create("words", tiny_encoder, uri=str(uri)) as collection:
        collection.add([Record("a", texts=(TEXT,)), Record("b", texts=("a bus",))])
    return f"{COMMAND} search --uri {uri} -c words -b {tiny_bundle} --text rose --into text"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MILVUS_", "PYTHONIO"))}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**own, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_stop_the_work(asked, tmp_path, closed):
    done = shell(f"{asked} --sheet hits.html {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hits.html").is_file()
    assert done.stderr == (b"" if "2>&-" in closed else b"contact sheet: hits.html\n")
    assert len(done.stdout.splitlines()) == (0 if ">&- " in f"{closed} ".replace("2>&-", "") else 2)


def test_a_full_stdout_is_said_once_the_work_is_done(asked, tmp_path):
    done = shell(f"{asked} --sheet hits.html >/dev/full", tmp_path)
    assert done.returncode == 1
    assert (tmp_path / "hits.html").is_file()
    _, error = done.stderr.decode().splitlines()
    assert error.startswith("Error: stdout cannot be written (No space left on device)")


def test_a_full_stderr_costs_remarks_only(asked, tmp_path):
    done = shell(f"{asked} --sheet hits.html 2>/dev/full", tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2


def test_a_reader_that_has_had_enough_is_no_error(asked, tmp_path):
    done = shell(f"{asked} --sheet hits.html | true; exit ${{PIPESTATUS[0]}}", tmp_path, PYTHONUNBUFFERED="1")
    assert (done.returncode, done.stderr) == (0, b"contact sheet: hits.html\n")
    assert (tmp_path / "hits.html").is_file()


@pytest.mark.parametrize("codec", ["latin-1", "ascii", "cp437"])
def test_json_is_whole_in_any_codec(asked, tmp_path, codec):
    done = shell(asked, tmp_path, PYTHONIOENCODING=codec)
    assert (done.returncode, done.stderr) == (0, b"")
    first, _ = map(json.loads, done.stdout.decode(codec).splitlines())
    assert first["fields"]["text"] == TEXT


def python(code: str, folder: Path, **options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_what_libraries_and_child_processes_write_to_stdout_is_no_data(tmp_path):
    code = """
import os, subprocess, sys
from milvus_hash.cli.streams import Streams
streams = Streams()
os.write(1, b"a remark of a library\\n")
subprocess.run([sys.executable, "-c", "print('a remark of a child')"])
sys.stdout.write("data\\n")
assert streams.finish() == ""
"""
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "data\n"
    assert done.stderr == "a remark of a library\na remark of a child\n"


def test_a_pipe_that_does_not_block_gets_everything(tmp_path):
    """As ssh and terminals of other programs leave one behind; the reader is slower than the writer."""
    code = """
import os, sys
os.set_blocking(1, False)
from milvus_hash.cli.streams import Streams
streams = Streams()
for _ in range(20000):
    sys.stdout.write("0123456789\\n")
assert streams.finish() == ""
"""
    (tmp_path / "write.py").write_text(code)
    done = shell(f"{sys.executable} write.py | (sleep 0.3; wc -l)", tmp_path)
    assert (done.stdout.strip(), done.stderr) == (b"20000", b"")


def interrupted(module: str, code: str, folder: Path, number: int) -> tuple[int, str]:
    """The exit code and stderr of a search that gets a signal while it imports ``module``, which runs ``code``."""
    (folder / f"{module}.py").write_text(f"import pathlib, time\npathlib.Path('importing').touch()\n{code}\n")
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "milvus_hash", "search", "--text", "rose"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not (folder / "importing").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    stderr = process.communicate(timeout=60)[1]
    return process.returncode, stderr


SLEEP = "time.sleep(30)"
CONVERTED = "try:\n    time.sleep(30)\nexcept BaseException as error:\n    raise ImportError('initialization failed')"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("module", "code"),
    [
        pytest.param("click", SLEEP, id="before anything"),
        pytest.param("pymilvus", SLEEP, id="within the verb"),
        pytest.param("pymilvus", CONVERTED, id="in an import that makes an error of its own of it"),
    ],
)
def test_a_signal_while_importing_is_one_line(module, code, number, tmp_path):
    assert interrupted(module, code, tmp_path, number) == (128 + number, "Interrupted.\n")


def test_a_signal_that_python_drops_ends_the_process(tmp_path):
    code = """
import signal
from milvus_hash.cli.interrupt import raising_signals
class Dropping:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
with raising_signals():
    Dropping()
    print("went on")
"""
    done = python(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "Interrupted.\n")


def test_an_ignored_signal_stays_ignored(tmp_path):
    code = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from milvus_hash.cli.interrupt import raising_signals
from milvus_hash.signals import leave_on_signals
leave_on_signals()
signal.raise_signal(signal.SIGINT)
with raising_signals():
    signal.raise_signal(signal.SIGINT)
print("went on")
"""
    assert python(code, tmp_path).stdout == "went on\n"


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(setting, tmp_path):
    code = """
import click, sys
from milvus_hash.cli import main
@main.command
def shout():
    click.secho("loud", bold=True)
main.get_command = lambda ctx, name: shout
main.list_commands = lambda ctx: ["shout"]
sys.stdout.isatty = lambda: True
main.main(["shout"], standalone_mode=False)
"""
    terminal = {"TERM": "xterm", "NO_COLOR": ""}
    assert python(code, tmp_path, **terminal).stdout == "\x1b[1mloud\x1b[0m\n"
    assert python(code, tmp_path, **(terminal | setting)).stdout == "loud\n"

"""Where the commands go: options and variables, whatever these say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from milvus_hash.cli import main

ROOT = Path(__file__).parents[2]
PICTURES = str(ROOT / "docs" / "pictures")
SECRET = "s3cr3t-Pa55"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("MILVUS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def run(*arguments: object, **environment: str) -> Result:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments], env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert SECRET not in done.output
    return done


def test_a_local_file_may_be_named_by_the_environment(tmp_path, tiny_bundle):
    """In processes of their own, because pymilvus reads the variable when it is imported, and takes it for a server."""
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (20, 20), "red").save(tmp_path / "pictures" / "red.png")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "MILVUS_URI": "~/own.db\n"}
    for arguments in (["ingest", "pictures"], ["doctor", "--collection", "milvus_hash"]):
        command = [sys.executable, "-m", "milvus_hash", *arguments, "--bundle", str(tiny_bundle)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (tmp_path / "own.db").exists()
        assert "not there yet" not in done.stdout


@pytest.mark.parametrize("uri", ["own.sqlite", "localhost:19530", "http://host:port", "http://[half", "file:///own.db"])
@pytest.mark.parametrize(
    "verb",
    [["search", "--text", "a"], ["doctor"], ["tune", "any"], ["alias"], ["ingest", str(ROOT / "docs" / "pictures")]],
)
def test_a_variable_that_names_nothing_is_one_line(uri, verb):
    done = run(*verb, MILVUS_URI=uri)
    assert done.exit_code == 1
    assert "local file" in done.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--token", f"root:{SECRET}", "--uri", NOWHERE], "--token"),
        (["--uri", NOWHERE.replace("//", f"//root:{SECRET}@")], "--uri"),
        (["--uri", NOWHERE.replace("http://", f"root:{SECRET}@")], "--uri"),
        (["--uri", f"{NOWHERE}?token={SECRET}", "--token", SECRET], "--token and --uri"),
    ],
)
def test_secrets_that_others_can_read(arguments, named):
    first, second = run("search", "--text", "a", *arguments).stderr.splitlines()
    assert first == f"warning: every user of this machine can read {named} (ps shows it): set MILVUS_TOKEN instead"
    assert second.startswith("Error: ")


def test_secrets_that_others_cannot_read():
    login = {"MILVUS_TOKEN": SECRET, "MILVUS_URI": NOWHERE.replace("//", f"//root:{SECRET}@")}
    assert run("search", "--text", "a", **login).stderr.startswith("Error: ")
    assert run("ingest", ".", "--quiet", "--uri", NOWHERE, "--token", SECRET).stderr.startswith("Error: ")


def test_doctor_names_a_proxy():
    done = run("doctor", "--uri", "http://some.host:19530", http_proxy=NOWHERE, no_proxy="")
    assert done.output.count("http_proxy=http://127.0.0.1:9 sends calls to some.host through a proxy") == 2
    assert done.exit_code == 1

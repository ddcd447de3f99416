"""The blocks of the README and the docs run, each page in a folder of its own, with what the page says one brings."""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from clips import animation
from PIL import Image
from pymilvus import MilvusClient, MilvusException

from milvus_hash.bundle import starter_path
from milvus_hash.cli import VERBS, main
from milvus_hash.cli.demo import sample_path
from milvus_hash.collection import HashCollection

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "deploy" / "README.md"]
BLOCK = re.compile(r"^```(python|bash|sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVER = "http://localhost:19530"
BIN = str(Path(sys.executable).parent)

# Lines that install, train for minutes, measure, or ask machines that are not here.
ELSEWHERE = re.compile(
    r"pip install|apt-get|npm |docker|git clone|gunicorn |uvicorn |python tests/|milvus_hash_export|"
    r"--self-test|--trial|--report|milvus-hash (train|export|eval|dataset)|10\.0\.0\.7|root:Milvus"
)
NEEDED = {"integrations.langchain": "langchain_core", "integrations.llama_index": "llama_index", "fastapi": "fastapi"}
MADE = ("clipart", "clipart_1", "clipart_2", "clipart_codes", "pictures")  # on the server


def blocks(page: Path, *languages: str) -> list[str]:
    return [code for language, code in BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def having(*languages: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, *languages)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A folder in which `milvus-hash demo` was run."""
    folder = tmp_path_factory.mktemp("demo")
    shell("milvus-hash demo --quiet", folder)
    return folder


@pytest.fixture
def folder(tmp_path, demo, video_encoder, monkeypatch) -> Path:
    """What readers bring: pictures, clips, a bundle of their own, and the demo's collection."""
    for picture in ("my_pictures/rose.jpg", "pictures/bus.jpg", "rose.png"):
        (tmp_path / picture).parent.mkdir(exist_ok=True)
        Image.new("RGB", (80, 60), "red").save(tmp_path / picture)
    (tmp_path / "my_clips").mkdir()
    for clip in ("wave.mp4", "rain.webp", "my_clips/wave.mp4"):  # animations, whatever they are called
        (tmp_path / clip).write_bytes(animation([(255, 0, 0), (0, 0, 255)], [100, 100], "WEBP"))
    shutil.copytree(starter_path(), tmp_path / "bundles" / "clipart")
    shutil.copytree(starter_path(), tmp_path / "bundles" / "dual-path")
    shutil.copytree(video_encoder.bundle.path, tmp_path / "bundles" / "clips")
    shutil.copytree(starter_path(), tmp_path / "bundles" / "mine")
    shutil.copytree(sample_path().parent / "images", tmp_path / "images")
    shutil.copytree(sample_path().parent / "images", tmp_path / "sample" / "images")
    few = "".join(sample_path().read_text(encoding="utf-8").splitlines(keepends=True)[:40])
    for manifest in ("clipart.jsonl", "mine.jsonl", "sample/manifest.jsonl"):
        (tmp_path / manifest).write_text(few, encoding="utf-8")
    shutil.copyfile(demo / "milvus_hash_demo.db", tmp_path / "milvus_hash_demo.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fresh_server(server_uri) -> Iterator[str]:
    """The server without what the pages make there."""
    yield server_uri
    client = MilvusClient(server_uri)
    with suppress(MilvusException):
        client.drop_alias("clipart")
    for collection in MADE:
        client.drop_collection(collection)
    client.close()


def shell(lines: str, folder: Path, *, check: bool = True) -> None:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-ec" if check else "-c", lines],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not check or done.returncode == 0, f"{lines}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", having("python"), ids=name)
def test_every_name_in_a_block_is_defined_in_it(page, tmp_path):
    """Of examples with outputs, which go on where the last one ended, in the page."""
    parser = doctest.DocTestParser()
    session = ""
    for code in blocks(page, "python"):
        if ">>>" in code:
            session += "".join(example.source for example in parser.get_examples(code))
        else:
            check_names(code, tmp_path)
    check_names(session, tmp_path)


def check_names(code: str, folder: Path) -> None:
    (folder / "block.py").write_text(code, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "F821,F811",
        str(folder / "block.py"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", having("bash", "sh", "console"), ids=name)
def test_every_command_and_option_exists(page):
    for line in commands(page):
        words = shlex.split(line, comments=True)
        verb = words[1] if len(words) > 1 else ""
        if verb.startswith("-"):
            continue
        assert verb in VERBS, line
        command = main.get_command(click.Context(main), verb)
        assert command is not None
        known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known | {"--help"}, line


def commands(page: Path) -> Iterator[str]:
    """The calls of milvus-hash in the page's shell blocks."""
    for code in blocks(page, "bash", "sh", "console"):
        for line in code.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;", line.removeprefix("$ ")):
                if part.strip().startswith("milvus-hash "):
                    yield part.strip()


@pytest.mark.parametrize("page", having("python", "bash", "sh"), ids=name)
def test_the_page_runs_in_its_order(page, folder, request, monkeypatch):
    text = page.read_text(encoding="utf-8")
    if SERVER in text:
        text = text.replace(SERVER, request.getfixturevalue("fresh_server"))
    session: dict[str, Any] = {}
    for variable, value in re.findall(r"export (\w+)=(\S+)", text):
        monkeypatch.setenv(variable, value)
    for language, code in BLOCK.findall(text):
        if language in ("bash", "sh", "console"):
            close(session)
            shell(here(code, transcript=language == "console"), folder, check=language != "console")
        elif ">>>" in code:
            compare(code, session, page)
        elif not ELSEWHERE.search(code) and all(installed(NEEDED[module]) for module in NEEDED if module in code):
            for _ in range(2 if page.name == "README.md" else 1):
                exec(compile(code, f"a block of {page}", "exec"), {"__name__": "block"})
            if 'create_collection("clipart"' in code:
                fill(request.getfixturevalue("server_uri"))
    close(session)


def here(code: str, *, transcript: bool) -> str:
    """The lines of a shell block that can be run here; of a transcript those that were typed."""
    lines = code.replace("\\\n", " ").splitlines()
    if transcript:
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    kept = [line for line in lines if not ELSEWHERE.search(line)]
    return "" if "done" in kept else "\n".join(kept)  # the body of a loop is gone


def compare(code: str, session: dict[str, Any], page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(code, session, page.name, str(page), 0)
    test.globs = session
    problems: list[str] = []
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=problems.append, clear_globs=False)
    assert failed.attempted
    assert not failed.failed, "".join(problems)


def close(session: dict[str, Any]) -> None:
    """A file of Milvus Lite is open in one process at a time."""
    for value in session.values():
        if isinstance(value, HashCollection):
            value.close()


def installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def fill(uri: str) -> None:
    """Rows for the float collection that a page makes and takes for filled."""
    client = MilvusClient(uri)
    vectors = np.random.default_rng(0).normal(size=(400, 384)).tolist()
    ids = ["animals/2_dead_frogs_lumen_desig_01", *(f"item/{n}" for n in range(1, 400))]
    rows = [
        {"id": item, "title": item, "licence": "CC0", "embedding": vector}
        for item, vector in zip(ids, vectors, strict=True)
    ]
    client.insert("clipart", rows)
    client.load_collection("clipart")
    client.close()

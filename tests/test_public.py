"""What the package shows to the outside, and what it costs to look at it."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import milvus_hash
from milvus_hash.cli import VERBS, main

ROOT = Path(__file__).parents[1]

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
"""


def run_python(code: str, *, blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # without export/, as in a serving installation
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCK.format(names=blocked) + code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )


def test_all_is_sorted_and_complete():
    assert milvus_hash.__all__ == sorted(milvus_hash.__all__)
    assert set(milvus_hash.__all__) == {*milvus_hash._HOME, "__version__"}
    assert dir(milvus_hash) == milvus_hash.__all__


@pytest.mark.parametrize("name", milvus_hash.__all__)
def test_every_name_is_exported_from_where_it_lives(name):
    value = getattr(milvus_hash, name)
    if name != "__version__":
        home = importlib.import_module(f"milvus_hash.{milvus_hash._HOME[name]}")
        assert value is getattr(home, name)
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        milvus_hash.nonsense  # noqa: B018


def test_version_is_that_of_the_project():
    project = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^version = "(.+)"$', project, re.MULTILINE)[1] == milvus_hash.__version__


def test_the_serving_half_imports_without_torch():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "milvus_hash").rglob("*.py")
        if path.name not in {"__main__.py", "__init__.py"}
    ]
    code = "\n".join(f"import {module}" for module in modules)
    done = run_python(code, blocked=("torch", "torchvision", "transformers", "milvus_hash_export"))
    assert done.returncode == 0, done.stderr


def test_help_needs_neither_torch_nor_the_heavy_libraries():
    heavy = ("torch", "torchvision", "milvus_hash_export", "pymilvus", "onnxruntime", "matplotlib", "tokenizers", "PIL")
    done = run_python("from milvus_hash.cli import main; main(['--help'])", blocked=heavy)
    assert done.returncode == 0, done.stderr
    for verb in VERBS:
        assert re.search(rf"^  {verb} +\S", done.stdout, re.MULTILINE), done.stdout


def test_python_m_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "milvus_hash", "--version"], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.stdout == f"milvus-hash, version {milvus_hash.__version__}\n"


def verb(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help_with_a_runnable_example(name):
    assert verb(name).help
    assert f"milvus-hash {name}" in (verb(name).epilog or "")


@pytest.mark.parametrize("name", VERBS)
def test_every_option_has_help(name):
    without = [p.opts for p in verb(name).params if isinstance(p, click.Option) and not p.help]
    assert not without


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_stands_in_the_docs(name):
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert any(f"milvus-hash {name}" in page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("name", VERBS)
def test_the_examples_of_a_verb_parse(name):
    """Every example line of the help names options that exist."""
    command = verb(name)
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    for line in (command.epilog or "").splitlines():
        if line.strip().startswith(f"milvus-hash {name}"):
            assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", line)) <= known, line

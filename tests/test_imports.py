"""No two modules need each other, be it for a type: each can be read after those that it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "milvus_hash"


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


def needs(module: str) -> set[str]:
    """The modules of the package that one imports, for types too; what its functions import comes later."""
    found: set[str] = set()
    for node in outside_functions(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} has a relative import, which would be overlooked here"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in TREES else str(node.module) for name in inner}
    return found & TREES.keys()


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        for child in ast.iter_child_nodes(node):
            yield from outside_functions(child)


def test_no_modules_need_each_other():
    try:
        TopologicalSorter({module: needs(module) for module in TREES}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_an_encoder_needs_nothing_of_milvus():
    code = "import sys, milvus_hash.encoder; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    names = done.stdout.split()
    assert "milvus_hash.question" in names
    assert not [name for name in names if name.startswith(("milvus_hash.query", "milvus_hash.store", "pymilvus"))]

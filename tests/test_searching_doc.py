"""The examples of docs/searching.md run; their outputs are the author's, as codes may differ between processors."""

from __future__ import annotations

import doctest
from pathlib import Path

from milvus_hash.bundle import starter_path
from milvus_hash.cli.demo import sample_path
from milvus_hash.collection import HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.manifest import read_source

PAGE = Path(__file__).parents[1] / "docs" / "searching.md"


class AnyOutput(doctest.OutputChecker):
    """Takes whatever is printed; an error that the page does not show fails all the same."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return bool(want) == bool(got)


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encoder = Encoder.load(starter_path())
    with HashCollection.create("demo", encoder, uri="milvus_hash_demo.db") as demo:
        demo.add(read_source(sample_path()))
    test = doctest.DocTestParser().get_doctest(PAGE.read_text(encoding="utf-8"), {}, PAGE.name, str(PAGE), 0)
    problems: list[str] = []
    failed = doctest.DocTestRunner(AnyOutput()).run(test, out=problems.append, clear_globs=False)
    test.globs["demo"].close()
    assert failed.attempted > 15
    assert not failed.failed, "".join(problems)

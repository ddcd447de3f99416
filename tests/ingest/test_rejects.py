"""The rejects file."""

from __future__ import annotations

import json

import pytest

from milvus_hash.errors import InputError
from milvus_hash.ingest import RejectsFile
from milvus_hash.record import Reject


def test_a_line_is_on_disk_before_the_next_input(tmp_path):
    path = tmp_path / "rejects.jsonl"
    odd = Reject('quo"te\n\N{GRINNING FACE}', "a/b.png", "line\nbreak \udcff")
    with RejectsFile(path) as rejects:
        assert not path.exists()
        rejects(Reject("1", "1.png", "empty"))
        assert json.loads(path.read_text()) == {"id": "1", "path": "1.png", "reason": "empty"}
        rejects(odd)
        assert rejects.count == 2
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert json.loads(lines[1])["id"] == odd.id


def test_lines_of_an_earlier_run_are_removed(tmp_path):
    path = tmp_path / "rejects.jsonl"
    path.write_text("old\n")
    with RejectsFile(path):
        pass
    assert path.read_text() == ""


def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="name another"), RejectsFile(tmp_path):
        pass
    with pytest.raises(InputError, match="name another"), RejectsFile(tmp_path / "gone" / "rejects.jsonl"):
        pass

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


def test_runs_at_the_same_time_share_a_file(tmp_path):
    """Neither removes nor breaks a line of the other, and those of an earlier run go."""
    path = tmp_path / "rejects.jsonl"
    path.write_text("old\n")
    with RejectsFile(path) as first, RejectsFile(path) as second:
        for number in range(50):
            first(Reject(f"a{number}", "x" * 5000, "bad"))
            second(Reject(f"b{number}", "y" * 5000, "bad"))
        with RejectsFile(path) as third:
            third(Reject("c", "", "bad"))
    found = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert sorted(found) == sorted([f"{run}{number}" for run in "ab" for number in range(50)] + ["c"])
    with RejectsFile(path) as later:
        later(Reject("d", "", "bad"))
    assert len(path.read_text().splitlines()) == 1


def test_a_run_without_rejects_so_far_keeps_those_of_another(tmp_path):
    path = tmp_path / "rejects.jsonl"
    with RejectsFile(path) as slow:
        with RejectsFile(path) as quick:
            quick(Reject("1", "", "bad"))
        slow(Reject("2", "", "bad"))
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["1", "2"]


def test_what_is_no_text_is_written_as_one(tmp_path):
    with RejectsFile(tmp_path / "r.jsonl") as rejects:
        rejects(Reject(7, tmp_path, None))
    assert json.loads((tmp_path / "r.jsonl").read_text()) == {"id": 7, "path": str(tmp_path), "reason": None}

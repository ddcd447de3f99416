"""Tables on a terminal, JSON lines into a pipe."""

from __future__ import annotations

import json
from operator import itemgetter

import pytest

from milvus_hash.cli.output import emit, table

ROWS = [{"item": "a\n\x1b[31mb", "n": 1, "more": {"x": [1, "é"]}}, {"item": "\N{GRINNING FACE}", "n": 22, "more": {}}]
COLUMNS = {"item": itemgetter("item"), "n": itemgetter("n")}


def test_a_pipe_gets_whole_rows(capsys):
    emit(iter(ROWS), COLUMNS)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_a_terminal_gets_a_table_that_cannot_steer_it(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    emit(iter(ROWS), COLUMNS)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [line.split() for line in out.splitlines()] == [
        ["item", "n"],
        ["a", "�[31mb", "1"],
        ["\N{GRINNING FACE}", "22"],
    ]


def test_columns_line_up_with_wide_characters():
    lines = table([["漢字", 1], ["abc", 2]], ["name", "n"], width=80).splitlines()
    assert lines == ["name  n", "漢字  1", "abc   2"]


@pytest.mark.parametrize("width", [40, 60, 200])
def test_long_cells_lose_their_middle(width):
    path = "/a/very/long/path/that/has/to/be/read.png"
    lines = table([["x" * 100, 0.5, path]], ["item", "score", "path"], width=width).splitlines()
    assert len(lines[1]) <= width
    assert lines[1].endswith(".png")
    assert ("…" in lines[1]) == (width < 160)
    whole = table([["x" * 100, 0.5, path]], ["item", "score", "path"], width=width, whole=True).splitlines()
    assert whole[1].endswith(f"  0.500  {path}")


def test_wide_characters_are_cut_by_their_columns():
    for width in range(30, 45):
        lines = table([["漢" * 30, "b" * 40]], ["x", "y"], width=width).splitlines()
        assert sum(2 if c == "漢" else 1 for c in lines[1]) <= width


def test_empty_columns_are_left_out_and_an_empty_table_has_its_head():
    assert table([["a", "", None]], ["x", "y", "z"], width=80) == "x\na\n"
    assert table([], ["x", "y"], width=80) == "x  y\n"

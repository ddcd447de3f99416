"""Rows on stdout: JSON lines into a pipe, a table on a terminal."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from milvus_hash.plain import plain

_NARROW = 12  # columns of a cell that is cut no further


def emit(
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, Callable[[Mapping[str, Any]], Any]],
    *,
    whole: bool = False,
) -> None:
    """Write ``rows``: whole as JSON lines, or as a table of ``columns`` (a title, and how to get it from a row).

    With ``whole`` the last column of the table is never cut.
    """
    if sys.stdout.isatty():
        cells = [[get(row) for get in columns.values()] for row in rows]
        sys.stdout.write(table(cells, list(columns), whole=whole))
        return
    for row in rows:
        sys.stdout.write(f"{_json(row)}\n")


def _json(row: Mapping[str, Any]) -> str:
    """``row`` as JSON, with escapes where the codec of stdout lacks a character."""
    line = json.dumps(plain(row), ensure_ascii=False, default=str)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(plain(row), default=str)
    return line


def table(
    rows: Sequence[Sequence[Any]], columns: Sequence[str], *, width: int | None = None, whole: bool = False
) -> str:
    """Aligned columns that fit the terminal: long cells lose their middle, empty columns are left out.

    Example:
        >>> print(table([["animals/fox", 7], ["people/cook", 12]], ["item", "distance"], width=80), end="")
        item         distance
        animals/fox  7
        people/cook  12
    """
    body = [[printable(cell) for cell in row] for row in rows]
    filled = [n for n in range(len(columns)) if not body or any(row[n] for row in body)]
    cells = [[row[n] for n in filled] for row in (list(columns), *body)]
    widths = [max(_width(row[n]) for row in cells) for n in range(len(filled))]
    limit = (width or shutil.get_terminal_size().columns) - 2 * (len(filled) - 1)
    shrinking = len(widths) - whole
    while sum(widths) > limit and max(widths[:shrinking], default=0) > _NARROW:
        widths[widths.index(max(widths[:shrinking]))] -= 1
    lines = ("  ".join(_fit(cell, room) for cell, room in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "".join(f"{line}\n" for line in lines)


def printable(cell: object) -> str:
    """One line without control characters, so that a stored text cannot steer the terminal."""
    text = "" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))


def _width(text: str) -> int:
    """Columns that a terminal gives to ``text``: wide characters take two, combining marks none."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fit(text: str, room: int) -> str:
    """``text`` in exactly ``room`` columns; of what is too long the middle goes, as both ends of a path tell more."""
    if _width(text) > room:
        head = (room - 1) // 2
        text = f"{_take(text, head)}…{_take(text[::-1], room - 1 - head)[::-1]}"
    return text + " " * (room - _width(text))


def _take(text: str, room: int) -> str:
    """The beginning of ``text`` that takes at most ``room`` columns."""
    used = 0
    for position, character in enumerate(text):
        used += _columns(character)
        if used > room:
            return text[:position]
    return text

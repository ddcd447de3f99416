"""Rows on stdout: JSON lines into a pipe, a table on a terminal."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

_NARROW = 28  # columns of a cell that is cut


def emit(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> None:
    """Write ``rows``: whole as JSON lines, or as a table of ``columns`` (a title, and how to get it from a row)."""
    if sys.stdout.isatty():
        click.echo(table([[get(row) for get in columns.values()] for row in rows], list(columns)), nl=False)
        return
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False, default=str))


def table(rows: Sequence[Sequence[Any]], columns: Sequence[str], *, width: int | None = None) -> str:
    """Aligned columns that fit the terminal: all but the last are cut with an ellipsis, empty ones left out.

    Example:
        >>> print(table([["animals/fox", 7], ["people/cook", 12]], ["item", "distance"], width=80), end="")
        item         distance
        animals/fox  7
        people/cook  12
    """
    body = [[_printable(cell) for cell in row] for row in rows]
    filled = [n for n in range(len(columns)) if not body or any(row[n] for row in body)]
    cells = [[row[n] for n in filled] for row in (list(columns), *body)]
    widths = [max(_width(row[n]) for row in cells) for n in range(len(filled))]
    limit = (width or shutil.get_terminal_size().columns) - 2 * (len(filled) - 1)
    while sum(widths) > limit and max(widths[:-1], default=0) > _NARROW:
        widths[widths.index(max(widths[:-1]))] -= 1
    widths[-1] = max(map(_width, (row[-1] for row in cells)))  # a path has to stay whole to be of use
    lines = ("  ".join(_fit(cell, room) for cell, room in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "".join(f"{line}\n" for line in lines)


def _printable(cell: object) -> str:
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
    """``text`` in exactly ``room`` columns."""
    if _width(text) > room:
        kept = ""
        for character in text:
            if _width(kept) + _columns(character) > room - 1:
                break
            kept += character
        text = f"{kept}…"
    return text + " " * (room - _width(text))

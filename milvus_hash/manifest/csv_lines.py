"""Rows of a CSV file; one broken line costs one row.

The columns of :data:`LISTS` hold lists as ``a|b``; a ``|`` or a backslash inside an entry is written with a backslash
before it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from milvus_hash.manifest.line import MAX_ROW, TOO_LONG, Line, Unreadable, check_header, read_line

LISTS = ("text", "labels", "split")
_ENTRY = re.compile(r"((?:[^|\\]|\\.|\\$)*)(\||$)", re.DOTALL)
_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")  # its mark, where bad bytes become surrogates


class _TooLong(Exception):
    """A row has grown beyond ``MAX_ROW``."""


class _Lines:
    """Lines of a text file that can be read again from the second line of the current row on."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._again: list[str | None] = []  # lines to serve before the file's own, last one first
        self._row: list[str | None] = []  # lines served for the current row; None stands for one that is too long
        self._size = 0  # of the current row
        self.number = 0  # of the line served last

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else read_line(self._file, ("\n", "\r"))
        if line == "":
            raise StopIteration
        self._row.append(line)
        self.number += 1
        self._size += len(line or "")
        if line is None or self._size > MAX_ROW:
            raise _TooLong
        return line

    def start_row(self) -> None:
        self._row.clear()
        self._size = 0

    def give_back(self) -> None:
        """Serve all lines of the current row but its first once more: an open quote has swallowed them."""
        self.number -= max(0, len(self._row) - 1)
        self._again.extend(reversed(self._row[1:]))


def read_csv(file: IO[str], check: Callable[[Sequence[str]], None]) -> Iterator[Line]:
    """The rows of ``file`` in order.

    Args:
        file: Opened with ``errors="surrogateescape"`` and ``newline=""``: bad bytes become surrogates, which the reader
            of the cells refuses, and the line structure stays whole.
        check: Called with the names of the columns before the first row.

    Raises:
        Unreadable: It is UTF-16, the header cannot be used, a line has no end, or ``check`` raised.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))  # process-wide; never lowered
    lines = _Lines(file)
    reader = csv.reader(lines, strict=True)
    header = _header(reader)
    if header is None:
        return
    check(header)
    while True:
        lines.start_row()
        number = lines.number + 1
        try:
            row = next(reader, None)
            if row is None:
                return
            error = (
                ""
                if len(row) in (0, len(header))
                else f"has {len(row)} cells; the header has {len(header)}: quote cells that hold commas"
            )
        except csv.Error as broken:
            error = f"not a line of CSV: {broken}"
        except _TooLong:
            error = TOO_LONG
        if error:
            lines.give_back()
            yield Line(number, error=error)
        elif row:
            yield Line(number, {name: _cell(name, cell) for name, cell in zip(header, row, strict=True)})


def _header(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise Unreadable(f"its header is not a line of CSV: {error}") from error
    except _TooLong:
        raise Unreadable(f"its header {TOO_LONG}") from None
    if header and header[0].startswith(_UTF_16):
        raise Unreadable("it is UTF-16; save it as UTF-8")
    if header is not None:
        check_header(header)
    return header


def _cell(name: str, cell: str) -> str | list[str] | None:
    if not cell:
        return None
    return split_list(cell) if name in LISTS else cell


def split_list(cell: str) -> list[str]:
    r"""The entries of a CSV list cell.

    Example:
        >>> split_list(r"a|b\|c|\\d")
        ['a', 'b|c', '\\d']
    """
    entries: list[str] = []
    for match in _ENTRY.finditer(cell):
        entries.append(re.sub(r"\\([|\\])", r"\1", match[1]))
        if not match[2]:
            break
    return entries


def join_list(entries: Sequence[str]) -> str:
    r"""The CSV list cell that :func:`split_list` reads.

    Example:
        >>> print(join_list(["a", "b|c"]))
        a|b\|c
    """
    return "|".join(re.sub(r"([|\\])", r"\\\1", entry) for entry in entries)

"""Rows of a CSV, JSON Lines or Parquet file, streamed; one broken line costs one row.

In CSV the columns of :data:`LISTS` hold lists as ``a|b``; a ``|`` or a backslash inside an entry is written with a
backslash before it. In JSON Lines and Parquet lists are lists.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from milvus_hash.errors import InputError
from milvus_hash.extras import require

LISTS = ("text", "labels", "split")
SUFFIXES = (".jsonl", ".csv", ".parquet")
CheckColumns: TypeAlias = Callable[[Sequence[str]], None]

_CSV_FIELD = 16 << 20  # a text of 1 MB is for the encoder to refuse, not a reason to lose the lines after it
_BATCH = 1024
_ENTRY = re.compile(r"((?:[^|\\]|\\.|\\$)*)(\||$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One row, or the reason why there is none.

    Attributes:
        number: The line of the file that it starts on, or the row in Parquet; the first is 1.
        cells: Column name to value; empty cells are None.
        error: Why the row cannot be read; then there are no cells.
    """

    number: int
    cells: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def read_rows(path: Path, check: CheckColumns) -> Iterator[Line]:
    """The rows of ``path`` in order, broken ones as :attr:`Line.error`.

    Args:
        path: A file whose suffix is one of :data:`SUFFIXES`.
        check: Called with the column names: before the first row where the format has a header, else at the end.

    Raises:
        InputError: The file cannot be read, has another suffix or an unusable header, or ``check`` raised.
    """
    readers = dict(zip(SUFFIXES, (_read_jsonl, _read_csv, _read_parquet), strict=True))
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is no manifest: the suffix must be one of {', '.join(SUFFIXES)}")
    try:
        yield from reader(path, check)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _read_jsonl(path: Path, check: CheckColumns) -> Iterator[Line]:
    columns: dict[str, None] = {}
    with path.open("rb") as file:  # bytes, so that bad UTF-8 ends with its line
        for number, raw in enumerate(file, start=1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if not text:
                    continue
                cells = json.loads(text)
            except (ValueError, RecursionError) as error:
                yield Line(number, error=f"not a line of JSON in UTF-8: {error}")
                continue
            if not isinstance(cells, dict):
                yield Line(number, error=f"holds a JSON {type(cells).__name__}; an object is needed")
                continue
            columns.update(dict.fromkeys(cells))
            yield Line(number, cells)
    if columns:
        check(list(columns))


class _Lines:
    """Lines of a text file that can be read again from the second line of the current row on."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: list[str] = []  # lines to serve before the file's own, last one first
        self._row: list[str] = []  # lines served for the current row
        self.number = 0  # of the line served last

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self._row.append(line)
        self.number += 1
        return line

    def start_row(self) -> None:
        self._row.clear()

    def give_back(self) -> None:
        """Serve all lines of the current row but its first once more: an open quote has swallowed them."""
        self.number -= max(0, len(self._row) - 1)
        self._again.extend(reversed(self._row[1:]))


def _read_csv(path: Path, check: CheckColumns) -> Iterator[Line]:
    csv.field_size_limit(max(csv.field_size_limit(), _CSV_FIELD))  # process-wide; never lowered
    # Bad bytes become surrogates, which the reader of the cells refuses: the line structure stays whole.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, strict=True)
        header = _header(path, reader)
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
                error = "" if len(row) in (0, len(header)) else f"has {len(row)} cells; the header has {len(header)}"
            except csv.Error as broken:
                error = f"not a line of CSV: {broken}"
            if error:
                lines.give_back()
                yield Line(number, error=error)
            elif row:
                yield Line(number, {name: _csv_cell(name, cell) for name, cell in zip(header, row, strict=True)})


def _header(path: Path, reader: Iterator[list[str]]) -> list[str] | None:
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise InputError(f"the header of {path} is not a line of CSV: {error}") from error
    if header is not None and (len(set(header)) < len(header) or not all(header)):
        raise InputError(f"the header of {path} is {header!r}; every column needs a name of its own")
    return header


def _csv_cell(name: str, cell: str) -> str | list[str] | None:
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


def _read_parquet(path: Path, check: CheckColumns) -> Iterator[Line]:
    arrow = require("pyarrow", "parquet")
    parquet = require("pyarrow.parquet", "parquet")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            check(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=_BATCH):
                for cells in _batch_rows(batch):
                    number += 1
                    yield Line(number, error=cells) if isinstance(cells, str) else Line(number, cells)
    except arrow.ArrowException as error:
        raise InputError(f"cannot read {path} after row {number}: {error}") from error


def _batch_rows(batch: Any) -> Iterator[dict[str, Any] | str]:  # noqa: ANN401 (pyarrow has no types)
    """Rows of a record batch; a row with a value that Python cannot hold (bad UTF-8, a far date) is the reason."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):
        rows = None
    if rows is not None:
        yield from rows
        return
    for index in range(batch.num_rows):
        try:
            row: dict[str, Any] = batch.slice(index, 1).to_pylist()[0]
        except (ValueError, OverflowError) as error:
            yield f"has a value that cannot be read: {error}"
        else:
            yield row

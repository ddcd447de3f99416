"""One row of a table, and how much of a file may be one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any, AnyStr

MAX_ROW = 16 << 20  # bytes: a text of 1 MB is for the encoder to refuse, not a reason to lose the lines after it
_MAX_SKIPPED = 1 << 30  # bytes of one line; beyond, it is no table
TOO_LONG = f"is longer than {MAX_ROW:,} bytes, the most that is read of a row"


class Unreadable(Exception):
    """A file is no table that can be read; the message says why and leaves its name to the caller."""


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


def read_line(file: IO[AnyStr], ends: tuple[AnyStr, ...]) -> AnyStr | None:
    """The next line, empty at the end of the file; None for one of more than ``MAX_ROW``, which is passed over.

    Args:
        file: Open for reading.
        ends: What a line may end with.

    Raises:
        Unreadable: It does not end within a gigabyte.
    """
    line = file.readline(MAX_ROW + 1)
    if len(line) <= MAX_ROW:
        return line
    skipped = 0
    while line and not line.endswith(ends):
        skipped += len(line)
        if skipped > _MAX_SKIPPED:
            raise Unreadable(f"it has a line of more than {_MAX_SKIPPED:,} bytes, so it is no table")
        line = file.readline(MAX_ROW)
    return None


def check_header(names: Sequence[str]) -> None:
    """Refuse a header that does not tell the columns apart.

    Raises:
        Unreadable: A column has no name, or two have the same.
    """
    if len(set(names)) < len(names) or not all(names):
        raise Unreadable("every column needs a name of its own")

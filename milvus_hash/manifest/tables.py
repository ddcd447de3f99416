"""Rows of a JSON Lines, CSV or Parquet file, streamed; one broken line costs one row."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from milvus_hash.errors import InputError
from milvus_hash.manifest.csv_lines import read_csv
from milvus_hash.manifest.json_lines import read_json_lines
from milvus_hash.manifest.line import Line, Unreadable
from milvus_hash.manifest.parquet import read_parquet

SUFFIXES = (".jsonl", ".csv", ".parquet")
STDIN = Path("-")
"""Stands for JSON Lines on standard input."""

CheckColumns: TypeAlias = Callable[[Sequence[str]], None]


def read_rows(path: Path, check: CheckColumns) -> Iterator[Line]:
    """The rows of ``path`` in order, broken ones as :attr:`Line.error`.

    Args:
        path: A file whose suffix is one of :data:`SUFFIXES`, or :data:`STDIN`.
        check: Called with the column names before the first row, where the format has a header.

    Raises:
        InputError: The file cannot be read, has another suffix or an unusable header, or ``check`` raised.
    """
    suffix = path.suffix.lower()
    if path != STDIN and suffix not in SUFFIXES:
        raise InputError(
            f"{path} is no manifest: the suffix must be one of {', '.join(SUFFIXES)}; save the table as one of them, "
            "unpack an archive, and of single files name the folder"
        )
    try:
        if path == STDIN:
            yield from read_json_lines(sys.stdin.buffer)
            return
        _check_kind(path.stat().st_mode, suffix)
        if suffix == ".parquet":
            yield from read_parquet(path, check)
        elif suffix == ".csv":
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
                yield from read_csv(text, check)
        else:
            with path.open("rb") as file:
                yield from read_json_lines(file)
    except (OSError, Unreadable) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _check_kind(mode: int, suffix: str) -> None:
    """Let in files, and pipes that somebody feeds with lines; a device might never end."""
    if stat.S_ISDIR(mode):
        raise Unreadable("it is a directory")
    if not stat.S_ISREG(mode) and (suffix == ".parquet" or not stat.S_ISFIFO(mode)):
        raise Unreadable("it is not a plain file")

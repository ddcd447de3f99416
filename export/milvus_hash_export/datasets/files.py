"""Reading the files that a data set is published in: what is missing or unreadable is named, with its source."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from milvus_hash.errors import InputError

_log = logging.getLogger(__name__)


def need(path: Path, source: str) -> Path:
    """Return ``path``, which has to exist.

    Args:
        path: A file or a folder of the published layout.
        source: Where it comes from: the end of the sentence if it is missing.

    Raises:
        InputError: It does not exist.
    """
    if not path.exists():
        raise InputError(f"{path} is missing; {source}")
    return path


def is_there(path: Path) -> bool:
    """Whether a row's picture or clip is there; if not, a warning says that its row is left out."""
    if path.is_file():
        return True
    leave_out(str(path), "it is missing")
    return False


def leave_out(row: str, reason: str) -> None:
    """Warn that ``row`` is left out."""
    _log.warning("%s is left out: %s", row, reason)


def read_text(path: Path, source: str, *, encoding: str = "utf-8-sig") -> str:
    """The text of a file; bytes that are no ``encoding`` become U+FFFD, so that they spoil one row and not all.

    Raises:
        InputError: It is missing, or cannot be read.
    """
    try:
        return need(path, source).read_text(encoding=encoding, errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def read_lines(path: Path, source: str) -> list[str]:
    """The lines of a UTF-8 file, stripped; an empty line stays, as in some files the line's number is a picture's.

    Raises:
        InputError: As :func:`read_text`.
    """
    lines = read_text(path, source).split("\n")
    return [line.strip() for line in (lines if lines[-1] else lines[:-1])]


def read_json(path: Path, source: str, kind: type) -> Any:  # noqa: ANN401 (whatever the file holds)
    """The content of a JSON file, whose outermost value is a ``kind``.

    Raises:
        InputError: As :func:`read_text`, or it is no JSON, or another value.
    """
    try:
        content = json.loads(read_text(path, source))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}); download it again") from error
    if not isinstance(content, kind):
        raise InputError(f"{path} holds a JSON {type(content).__name__}, not the {kind.__name__} of the published file")
    return content


def wrong_layout(path: Path, error: Exception) -> InputError:
    """The error for a file that can be read but does not hold what the published one holds."""
    return InputError(f"{path} is not laid out like the published file ({error!r}); download it again")

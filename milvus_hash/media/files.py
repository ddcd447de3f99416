"""The file of a picture or clip: something that can be opened without fear, and what messages call it."""

from __future__ import annotations

import stat
from pathlib import Path

from milvus_hash.errors import InputError


def name_of(source: object, kind: str) -> str:
    """What a message calls ``source``: its path, or the ``kind`` of thing that it is."""
    return str(source) if isinstance(source, (str, Path)) else f"the {kind}"


def check_file(source: str | Path | bytes, name: str, kind: str) -> int:
    """Return how many bytes ``source`` has.

    Raises:
        InputError: Missing, empty, a folder, or not a plain file.
    """
    if isinstance(source, bytes):
        size = len(source)
    else:
        try:
            status = Path(source).stat()  # one call: what is not a plain file could block for ever when opened
        except FileNotFoundError as error:
            raise InputError(f"{name} does not exist") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{name} cannot be opened: {reason(error)}") from error
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{name} is a directory, not a {kind}")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{name} is not a plain file")
        size = status.st_size
    if not size:
        raise InputError(f"{name} is empty (0 bytes)")
    return size


def reason(error: Exception) -> str:
    """One line that says what ``error`` is."""
    return " ".join(str(error).split()) or type(error).__name__

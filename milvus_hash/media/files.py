"""The file of a picture or clip: what may be given as one, whether it can be opened without fear, what it is called."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

from milvus_hash.errors import InputError

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?=/|[^/]+/)")  # Path makes one slash of two
_ENCODED = re.compile(r"data:|[A-Za-z0-9+/\s]{200,}={0,2}\Z")


def check_place(source: str, kind: str) -> None:
    """Refuse what is no path but an address or base64.

    Args:
        source: What was given as a path.
        kind: What is there, for messages.

    Raises:
        InputError: It is; an address is told without a login and a query, which may be secrets.

    Example:
        >>> check_place("https://me:secret@example.com/a.png?key=secret", "picture")
        Traceback (most recent call last):
        milvus_hash.errors.InputError: https://example.com/a.png is an address, and nothing is fetched: ...
    """
    if _ADDRESS.match(source):
        scheme, _, rest = source.partition(":")
        host, slash, path = re.split(r"[?#]", rest.removeprefix("/").removeprefix("/"), maxsplit=1)[0].partition("/")
        place = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
        raise InputError(
            f"{place} is an address, and nothing is fetched: download the {kind}, and give its path or bytes"
        )
    if _ENCODED.match(source):
        raise InputError(
            f"the {kind} is text that stands for bytes ({source[:20]!r}...): give base64.b64decode(...) of it"
        )


def as_file(source: Any, kind: str, also: str = "") -> str | Path | bytes:  # noqa: ANN401 (whatever is given)
    """``source`` as a path or as the bytes of a file, which an open file is read for.

    Args:
        source: What was given as a picture or clip.
        kind: ``picture`` or ``video``, for messages.
        also: What else could have been given, for messages.

    Raises:
        InputError: It is an address, an open file of text or that cannot be read, or nothing of the kind.
    """
    if isinstance(source, str | Path):
        check_place(str(source), kind)
    if isinstance(source, (str, Path, bytes)):
        return source
    if isinstance(source, (bytearray, memoryview)):
        return bytes(source)
    if callable(getattr(source, "read", None)):
        try:
            data = source.read()
        except ValueError as error:
            raise InputError(f"the {kind} is an open file that cannot be read ({error}): open it again") from error
        if isinstance(data, bytes):
            if not data:
                raise InputError(f"the {kind} is an open file with nothing left to read: seek(0) goes to its beginning")
            return data
        raise InputError(f"the {kind} is an open file that gives {type(data).__name__}: open it with mode 'rb'")
    raise InputError(
        f"the {kind} is a {type(source).__name__}: a path, the bytes of a file or an open file{also} is needed"
    )


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
            where = "" if Path(source).is_absolute() else f"; it is looked for in {Path.cwd()}"
            raise InputError(f"{name} does not exist{where}") from error
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

"""Milvus Lite 2's rules, checked before it is asked: file name, and one process per file.

Milvus Lite 2 takes a POSIX lock on ``.NAME.db.lock``. A second process that tries to open the file fails, *and its
clean-up deletes the lock file*, so that a third one would succeed and write beside the first. So users of this package
exclude each other by a lock of their own (:mod:`milvus_hash.store.lite_lock`), and Milvus Lite's, which other programs
may have, is tested before it gets to see the file. A failed open is never tried again.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from milvus_hash.errors import StoreError
from milvus_hash.store import lite_lock
from milvus_hash.store.lite_signals import undisturbed

_NAME = re.compile(r"[a-zA-Z0-9.\-_]{1,36}")  # milvus_lite.server.Server refuses all others
_SQLITE = b"SQLite format 3\x00"
_SOCKET_BYTES = 103 if sys.platform == "darwin" else 107  # what the system allows in the path of a socket
_LEAVING_SECONDS = 1.0  # a server whose process was killed keeps the lock for a moment

take = lite_lock.take
give = lite_lock.give


def check_name(path: Path, shown: str) -> None:
    """Refuse a name that Milvus Lite 2 would not take.

    Raises:
        StoreError: It is too long, or has other characters.
    """
    if not _NAME.fullmatch(path.name):
        raise StoreError(
            f"uri {shown!r}: Milvus Lite takes file names of at most 36 characters out of a-z A-Z 0-9 . - _, "
            f"and this one has {len(path.name)}; rename it"
        )


def check_kind(path: Path, shown: str, version: str) -> None:
    """Refuse what is there and is no file of Milvus Lite 2.

    Raises:
        StoreError: It is a folder, that of Milvus Lite 3 maybe, or a file of something else.
    """
    if (path / "collections").is_dir():
        raise StoreError(
            f"uri {shown!r} was made by Milvus Lite 3, and {version} is installed, which cannot read it: "
            "pip install 'milvus-lite>=3.2,<4', or name another file"
        )
    if path.exists() and not path.is_file():
        raise StoreError(f"uri {shown!r} is not a file; name another one")
    if path.is_file() and path.stat().st_size and not is_sqlite(path):
        raise StoreError(f"uri {shown!r} is not a file of Milvus Lite 2.x; name another one")


def is_sqlite(path: Path) -> bool:
    """Whether a file is in the format of Milvus Lite 2.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def servers() -> dict[str, Any]:
    """Milvus Lite's servers of this process, by path."""
    from milvus_lite.server_manager import server_manager_instance

    found: dict[str, Any] = server_manager_instance._servers
    return found


def address(server: Any) -> str:  # noqa: ANN401 (milvus_lite has no types)
    """The path of its socket."""
    return str(server.uds_path)


def is_running(server: Any) -> bool:  # noqa: ANN401
    """Whether its process is alive."""
    return server._p is not None and server._p.poll() is None


def start_server(path: Path) -> None:
    """Start a process for ``path``.

    Raises:
        StoreError: Another process has the file open, or it does not start.
    """
    from milvus_lite.server_manager import server_manager_instance

    _check_socket(path)
    _refuse_if_held(path)
    with undisturbed():
        if server_manager_instance.start_and_get_uri(str(path)) is None:
            raise StoreError(f"Milvus Lite could not open {str(path)!r}; it writes the reason to stderr")
    lite_lock.note_server(path, servers()[str(path)]._p.pid)


def forget() -> None:
    """In a fork: keep it from stopping its parent's servers."""
    lite_lock.forget()
    for server in servers().values():
        server.stop = lambda: None


def _check_socket(path: Path) -> None:
    """Refuse a folder for temporary files whose name makes the path of Milvus Lite's socket too long to bind.

    Raises:
        StoreError: It is, or there is no such folder that can be written.
    """
    try:
        folder = tempfile.gettempdir()
    except OSError as error:
        raise StoreError(f"Milvus Lite needs a folder for its socket: {error}; set TMPDIR") from error
    longest = _SOCKET_BYTES - len(f"/tmp12345678_{path.name}.sock")
    if len(os.fsencode(folder)) > longest:
        raise StoreError(
            f"{folder!r} is too long a path for Milvus Lite's socket, which has room for {longest} bytes of it: "
            "set TMPDIR to a shorter one, for instance /tmp"
        )


def _refuse_if_held(path: Path) -> None:
    """Raise when another process has Milvus Lite's lock.

    Never called while this process has it: closing any descriptor of a file drops a process' POSIX locks on it.
    """
    import fcntl

    lock = path.parent / f".{path.name}.lock"
    deadline = time.monotonic() + _LEAVING_SECONDS
    while lock.exists():
        with lock.open("a") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > deadline:
                    raise lite_lock.open_elsewhere(path) from None
            else:
                return
        time.sleep(0.05)

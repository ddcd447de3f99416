"""Milvus Lite's rules, checked before it is asked: version, file name, and one process per file.

Milvus Lite takes a POSIX lock on ``.NAME.db.lock``. A second process that tries to open the file fails, *and its
clean-up deletes the lock file*, so that a third one would succeed and write beside the first. So users of this package
exclude each other by a lock of their own (:mod:`milvus_hash.store.lite_lock`), and Milvus Lite's, which other programs
may have, is tested before it gets to see the file. A failed open is never tried again.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.errors import MissingExtra, StoreError
from milvus_hash.store import lite_disk, lite_lock
from milvus_hash.store.lite_signals import undisturbed

if TYPE_CHECKING:
    from milvus_hash.store.deadline import Deadline

_PIP = "pip install 'milvus-lite>=2.5.2rc1,<3'"
_NAME = re.compile(r"[a-zA-Z0-9.\-_]{1,36}")  # milvus_lite.server.Server refuses all others
_SQLITE = b"SQLite format 3\x00"
_SOCKET_BYTES = 103 if sys.platform == "darwin" else 107  # what the system allows in the path of a socket
_LEAVING_SECONDS = 1.0  # a server whose process was killed keeps the lock for a moment

_mutex = threading.Lock()
_users: Counter[Path] = Counter()  # open collections of this process per file
_started: set[Path] = set()  # files whose server this module started, and so stops


def is_lite(uri: str) -> bool:
    """Whether ``uri`` is a file of Milvus Lite rather than the address of a server.

    Example:
        >>> is_lite("clipart.db"), is_lite("http://localhost:19530")
        (True, False)
    """
    return "://" not in uri and not uri.startswith("unix:")


def absolute(uri: str) -> Path:
    """The one path of a file of Milvus Lite; what is no path at all raises OSError, RuntimeError or ValueError."""
    return Path(uri).expanduser().absolute().resolve()


def check_installed() -> None:
    """Refuse a Milvus Lite that is missing or cannot store binary vectors.

    Raises:
        MissingExtra: It is not installed.
        StoreError: It is 3.x, which has no BINARY_VECTOR.
    """
    try:
        version = metadata.version("milvus-lite")
    except metadata.PackageNotFoundError as error:
        raise MissingExtra(
            "a local .db file needs Milvus Lite, which is not installed: pip install 'milvus-hash[lite]', "
            "or give the uri of a Milvus server"
        ) from error
    if int(version.split(".")[0]) >= 3:
        raise StoreError(
            f"milvus-lite {version} is installed; 3.x cannot store binary vectors: {_PIP}, "
            "or give the uri of a Milvus server"
        )


def check_path(path: Path, shown: str) -> None:
    """Refuse a file that Milvus Lite would not take.

    Args:
        path: Its absolute path, which ends in ``.db``.
        shown: What messages call it.

    Raises:
        StoreError: The name, the folder or the file cannot be used.
    """
    if not _NAME.fullmatch(path.name):
        raise StoreError(
            f"uri {shown!r}: Milvus Lite takes file names of at most 36 characters out of a-z A-Z 0-9 . - _, "
            f"and this one has {len(path.name)}; rename it"
        )
    if not path.parent.is_dir():
        raise StoreError(f"uri {shown!r}: its folder does not exist; create it first")
    if path.exists() and not path.is_file():
        raise StoreError(f"uri {shown!r} is not a file; name another one")
    if not all(os.access(place, os.W_OK) for place in (path.parent, path) if place.exists()):
        raise StoreError(
            f"uri {shown!r}: permission denied, or a read-only disk; Milvus Lite writes to the file and beside it, "
            "even to search: copy it to where that is allowed"
        )
    if not path.exists() and not lite_disk.is_free(path.parent):
        raise StoreError(f"uri {shown!r} cannot be made: the disk is full, or a quota reached; free some space")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) != _SQLITE:
                raise StoreError(f"uri {shown!r} is not a file of Milvus Lite 2.x; name another one")


def start(path: Path, deadline: Deadline) -> str:
    """Have Milvus Lite open ``path``, unless this process has it open; pair it with :func:`release`.

    Returns:
        The address of its socket, which may take a while to be there.

    Raises:
        StoreError: Another process has the file open, Milvus Lite fails, or its socket would have too long a path.
        asyncio.TimeoutError: Others have been opening files all the time.
    """
    from milvus_lite.server_manager import server_manager_instance

    with deadline.holding(_mutex):
        if str(path) in server_manager_instance._servers and not is_running(path):
            server_manager_instance.release_server(str(path))  # it was killed; what it had written is there
        mine = str(path) not in server_manager_instance._servers  # else its server is shared
        if not _users[path]:
            lite_lock.take(path)
        try:
            if mine:
                _start_server(path)
            _users[path] += 1
            address: str = server_manager_instance._servers[str(path)].uds_path
            return address
        finally:
            if not _users[path]:
                if mine and str(path) in server_manager_instance._servers:
                    server_manager_instance.release_server(str(path))
                lite_lock.give(path)


def is_running(path: Path) -> bool:
    """Whether the server process of a file that this process has open is alive."""
    from milvus_lite.server_manager import server_manager_instance

    server = server_manager_instance._servers.get(str(path))
    return server is not None and server._p is not None and server._p.poll() is None


def release(path: Path) -> None:
    """Stop the file's server once no collection of this process uses it, so that another process can open it."""
    from milvus_lite.server_manager import server_manager_instance

    with _mutex:
        if not _users[path]:  # in a fork: it is open in the parent
            return
        _users[path] -= 1
        if _users[path]:
            return
        try:
            if path in _started:
                _started.remove(path)
                server_manager_instance.release_server(str(path))
        finally:
            lite_lock.give(path)


def _forget() -> None:
    """In a fork: files and servers are its parent's, which must not lose them when the fork ends."""
    global _mutex
    _mutex = threading.Lock()
    _users.clear()
    _started.clear()
    lite_lock.forget()
    if "milvus_lite.server_manager" in sys.modules:
        for server in sys.modules["milvus_lite.server_manager"].server_manager_instance._servers.values():
            server.stop = lambda: None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _start_server(path: Path) -> None:
    from milvus_lite.server_manager import server_manager_instance

    _check_socket(path)
    _refuse_if_held(path)
    with undisturbed():
        if server_manager_instance.start_and_get_uri(str(path)) is None:
            raise StoreError(f"Milvus Lite could not open {str(path)!r}; it writes the reason to stderr")
    _started.add(path)
    lite_lock.note_server(path, server_manager_instance._servers[str(path)]._p.pid)


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

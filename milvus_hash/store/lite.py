"""Milvus Lite of this process: which one is installed, and who uses which file.

There are two that share a name and nothing else: :mod:`~milvus_hash.store.lite2` is a program in C++ with one file in
SQLite's format, :mod:`~milvus_hash.store.lite3` is written in Python and keeps a folder.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from milvus_hash.errors import MissingExtra, StoreError
from milvus_hash.store import lite2, lite3, lite_disk

if TYPE_CHECKING:
    from milvus_hash.store.deadline import Deadline

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


def version() -> str:
    """Of Milvus Lite, as it is installed.

    Raises:
        MissingExtra: It is not.
    """
    try:
        return metadata.version("milvus-lite")
    except metadata.PackageNotFoundError as error:
        raise MissingExtra(
            "a local .db file needs Milvus Lite, which is not installed: pip install 'milvus-hash[lite]', "
            "or give the uri of a Milvus server"
        ) from error


@cache
def is_three() -> bool:
    """Whether Milvus Lite 3 is installed.

    Raises:
        MissingExtra: None is.
    """
    return int(version().split(".")[0]) >= 3


def _kind() -> ModuleType:
    return lite3 if is_three() else lite2


def check_path(path: Path, shown: str) -> None:
    """Refuse a file that the installed Milvus Lite would not take.

    Args:
        path: Its absolute path, which ends in ``.db``.
        shown: What messages call it.

    Raises:
        StoreError: The name, the folder or the file cannot be used.
        MissingExtra: Milvus Lite is not installed.
    """
    kind = _kind()
    kind.check_name(path, shown)
    if not path.parent.is_dir():
        raise StoreError(f"uri {shown!r}: its folder does not exist; create it first")
    kind.check_kind(path, shown, version())
    if not all(os.access(place, os.W_OK) for place in (path.parent, path) if place.exists()):
        raise StoreError(
            f"uri {shown!r}: permission denied, or a read-only disk; Milvus Lite writes to the file and beside it, "
            "even to search: copy it to where that is allowed"
        )
    if not path.exists() and not lite_disk.is_free(path.parent):
        raise StoreError(f"uri {shown!r} cannot be made: the disk is full, or a quota reached; free some space")


def start(path: Path, deadline: Deadline) -> str:
    """Have Milvus Lite open ``path``, unless this process has it open; pair it with :func:`release`.

    Returns:
        Where it answers, which may take a while to be there.

    Raises:
        StoreError: Another process has the file open, or Milvus Lite fails or cannot be reached here.
        asyncio.TimeoutError: Others have been opening files all the time.
    """
    kind = _kind()
    servers = kind.servers()
    with deadline.holding(_mutex):
        if str(path) in servers and not is_running(path):
            _stop(path)  # it was killed; what it had written is there
        mine = str(path) not in servers  # else its server is shared
        if not _users[path]:
            kind.take(path)
        try:
            if mine:
                kind.start_server(path)
                _started.add(path)
            _users[path] += 1
            address: str = kind.address(servers[str(path)])
            return address
        finally:
            if not _users[path]:
                if mine and str(path) in servers:
                    _stop(path)
                kind.give(path)


def is_running(path: Path) -> bool:
    """Whether the server of a file that this process has open is alive."""
    kind = _kind()
    server = kind.servers().get(str(path))
    return server is not None and kind.is_running(server)


def release(path: Path) -> None:
    """Stop the file's server once no collection of this process uses it, so that another process can open it."""
    with _mutex:
        if not _users[path]:  # in a fork: it is open in the parent
            return
        _users[path] -= 1
        if _users[path]:
            return
        try:
            if path in _started:
                _started.remove(path)
                _stop(path)
        finally:
            _kind().give(path)


def _stop(path: Path) -> None:
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(str(path))


def _forget() -> None:
    """In a fork: files and servers are its parent's, which must not lose them when the fork ends."""
    global _mutex
    _mutex = threading.Lock()
    _users.clear()
    _started.clear()
    if "milvus_lite.server_manager" in sys.modules:
        _kind().forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

"""Milvus Lite 3's rules: it runs in this process, listens on a port of this machine, and locks its folder by itself.

Its lock is on the file ``LOCK`` in the folder, is never deleted, and goes with the process.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from milvus_hash.errors import StoreError
from milvus_hash.store import lite2, lite_lock

_LEAVING_SECONDS = 1.0  # for a process that is just closing the folder
_IN_MEMORY = "MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES"
# Rows that are not in a segment yet are put together anew for every search, at 12 us a row; 2,500 of them fit.
_IN_MEMORY_BYTES = 1_000_000

_of_the_parent: list[Any] = []  # in a fork: what must not be closed there


def check_name(path: Path, shown: str) -> None:
    """All names will do."""


def check_kind(path: Path, shown: str, version: str) -> None:
    """Refuse what is there and is no folder of Milvus Lite 3.

    Raises:
        StoreError: It is a file, that of Milvus Lite 2 maybe, or a folder with something else.
    """
    if path.is_file() and lite2.is_sqlite(path):
        raise StoreError(
            f"uri {shown!r} was made by Milvus Lite 2, and {version} is installed, which cannot read it: "
            "pip install 'milvus-lite>=2.5.2rc1,<3', or name another file and ingest into that"
        )
    if path.exists() and not path.is_dir():
        raise StoreError(f"uri {shown!r} is not a folder of Milvus Lite 3; name another one")
    if path.is_dir() and list(path.iterdir()) and not (path / "collections").is_dir():
        raise StoreError(f"uri {shown!r} is a folder with other things in it; name another one")


def take(path: Path) -> None:
    """Milvus Lite 3 locks by itself."""


def give(path: Path) -> None:
    """Milvus Lite 3 unlocks by itself."""


def servers() -> dict[str, Any]:
    """Milvus Lite's servers of this process, by path."""
    with _few_rows_in_memory():
        from milvus_lite.server_manager import server_manager_instance

    logging.getLogger("milvus_lite.adapter.grpc.servicer").addFilter(_is_news)
    logging.getLogger("grpc._server").addFilter(_is_news)
    found: dict[str, Any] = server_manager_instance._servers
    return found


def address(server: Any) -> str:  # noqa: ANN401 (milvus_lite has no types)
    """Host and port."""
    return f"127.0.0.1:{server[2]}"


def is_running(server: Any) -> bool:  # noqa: ANN401
    """It runs as long as this process."""
    return True


def start_server(path: Path) -> None:
    """Have ``path`` served by threads of this process.

    Raises:
        StoreError: Another process has the folder open, or it cannot be read.
    """
    from milvus_lite.exceptions import DataDirLockedError
    from milvus_lite.server_manager import server_manager_instance

    deadline = time.monotonic() + _LEAVING_SECONDS
    while True:
        with _reason() as errors:
            if server_manager_instance.start_and_get_uri(str(path)) is not None:
                return
        if not any(isinstance(error, DataDirLockedError) for error in errors):
            reason = errors[0] if errors else "it did not say why"
            raise StoreError(f"Milvus Lite could not open {str(path)!r}: {reason}")
        if time.monotonic() > deadline:
            raise lite_lock.open_elsewhere(path)
        time.sleep(0.05)


def forget() -> None:
    """In a fork: threads and files are its parent's; closing them here would write to them."""
    found = servers()
    _of_the_parent.append(dict(found))
    for _, database, _ in found.values():
        os.close(database._lock_fd)  # the lock is held as long as any process has the file
        database._lock_fd = None
    found.clear()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a server in this process says what its client in this process is not told as an error."""
    return not record.exc_info


@contextmanager
def _few_rows_in_memory() -> Iterator[None]:
    """Milvus Lite reads the bound when it is imported; a user's own one stays."""
    if _IN_MEMORY in os.environ or "milvus_lite" in sys.modules:
        yield
        return
    os.environ[_IN_MEMORY] = str(_IN_MEMORY_BYTES)
    try:
        yield
    finally:
        del os.environ[_IN_MEMORY]


@contextmanager
def _reason() -> Iterator[list[BaseException]]:
    """Collect the errors that Milvus Lite would log when it cannot start."""
    errors: list[BaseException] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            errors.append(record.exc_info[1])
        return not record.exc_info

    logger = logging.getLogger("milvus_lite.server_manager")
    logger.addFilter(collect)
    try:
        yield errors
    finally:
        logger.removeFilter(collect)

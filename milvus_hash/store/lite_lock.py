"""One process per file of Milvus Lite, whatever the timing.

Milvus Lite's own lock, on ``.NAME.db.lock``, does not see to that: whoever closes the file, or fails to open it,
deletes the lock file, and with it the lock of the process that has just got in. So users of this package hold a lock of
their own on ``.NAME.db.milvus-hash.lock``, from before Milvus Lite is started until it has ended. That file is never
deleted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from milvus_hash.errors import StoreError

_LEAVING_SECONDS = 1.0  # for a process that is just closing the file
_ENDING_SECONDS = 10.0  # for Milvus Lite to write what a killed process had sent it

_held: dict[Path, int] = {}  # file descriptors of the locks that this process has


def take(path: Path) -> None:
    """Lock ``path``; pair it with :func:`give`.

    Raises:
        StoreError: Another process has it, or the lock cannot be written beside it.
    """
    lock = path.with_name(f".{path.name}.milvus-hash.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(f"{str(path)!r} cannot be opened: {lock.name} beside it: {error.strerror}") from None
    try:
        if not (_locked(descriptor) and _left_alone(path, descriptor)):
            raise open_elsewhere(path)
    except BaseException:
        os.close(descriptor)
        raise
    _held[path] = descriptor


def note_server(path: Path, process: int) -> None:
    """Write down which process is Milvus Lite: it outlives this one, if that is killed, by what it has yet to write."""
    with suppress(OSError):  # a full disk can still be searched
        os.pwrite(_held[path], str(process).encode(), 0)


def give(path: Path) -> None:
    """Unlock ``path``, once its Milvus Lite has ended."""
    import fcntl

    descriptor = _held.pop(path)
    os.ftruncate(descriptor, 0)
    with _supported():
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough where a fork has a copy
    os.close(descriptor)


def forget() -> None:
    """In a fork: what is locked is its parent's."""
    while _held:
        os.close(_held.popitem()[1])


def open_elsewhere(path: Path) -> StoreError:
    """What to raise when another process has ``path``."""
    return StoreError(
        f"{str(path)!r} is open in another process, and Milvus Lite allows one at a time: "
        "close it there, or use a Milvus server"
    )


def _locked(descriptor: int) -> bool:
    """Lock an open file; False while another process has it."""
    import fcntl

    deadline = time.monotonic() + _LEAVING_SECONDS
    while True:
        try:
            with _supported():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


@contextmanager
def _supported() -> Iterator[None]:
    """Go on where a network file system cannot lock: Milvus Lite's own lock is all there is then."""
    try:
        yield
    except BlockingIOError:
        raise
    except OSError:
        pass


def _left_alone(path: Path, descriptor: int) -> bool:
    """Whether no Milvus Lite of a killed process writes to ``path`` any more; waits for it to end."""
    former = os.pread(descriptor, 20, 0).decode("ascii", "replace")
    deadline = time.monotonic() + _ENDING_SECONDS
    while former.isdigit() and _serves(int(former), path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _serves(process: int, path: Path) -> bool:
    """Whether a process is the Milvus Lite of ``path``; where there is no /proc, Milvus Lite's own lock has to do."""
    try:
        arguments = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(path) in arguments

"""Closing something that others are using: no new use begins, and those under way come to their end."""

from __future__ import annotations

import threading
from types import TracebackType

from milvus_hash.errors import StoreError


class InUse:
    """A context manager around each use of a thing, which any number of threads and tasks may enter.

    Args:
        what: What the thing is called in the message of an error.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._uses = 0
        self._closed = False
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            if self._closed:
                raise StoreError(f"{self._what} is closed: open it again")
            self._uses += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._uses -= 1
            self._changed.notify_all()

    def end(self, timeout: float) -> None:
        """Let no further use begin, and return when none is under way, or after ``timeout`` seconds."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._uses == 0, timeout)

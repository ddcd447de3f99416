"""The time that a call may take."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Deadline:
    """The time that one call may take, tries after passing failures included.

    Attributes:
        seconds: Of it, in all.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._pause = _FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds until it, at least a millisecond: pymilvus takes 0 as "no timeout"."""
        return max(self._end - time.monotonic(), 0.001)

    def pause(self) -> float | None:
        """Seconds to wait before the next try; None when no time is left for one."""
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return pause if pause < self._end - time.monotonic() else None

    @contextmanager
    def holding(self, lock: threading.Lock) -> Iterator[None]:
        """Hold ``lock``, whose owner may be waiting for Milvus, too.

        Raises:
            asyncio.TimeoutError: It was not free in time.
        """
        if not lock.acquire(timeout=min(self.left, threading.TIMEOUT_MAX)):
            raise asyncio.TimeoutError
        try:
            yield
        finally:
            lock.release()

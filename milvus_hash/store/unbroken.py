"""Steps that belong together, between which Ctrl-C and SIGTERM wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from milvus_hash.signals import SIGNALS


@contextmanager
def unbroken() -> Iterator[None]:
    """Let signals that come meanwhile be heeded at the end; what raises for them would do so in the midst of a step.

    Outside the main thread Python raises nothing for signals.
    """
    came: list[tuple[int, FrameType | None]] = []
    old: dict[int, Callable[[int, FrameType | None], Any]] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    old[number] = handler
                    signal.signal(number, lambda number, frame: came.append((number, frame)))
        yield
    finally:
        for taken, handler in old.items():
            signal.signal(taken, handler)
    for late, frame in came:
        old[late](late, frame)

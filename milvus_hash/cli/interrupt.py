"""Ctrl-C and SIGTERM as a question that a long run can ask: is it time to end?"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interrupt:
    """The first SIGINT or SIGTERM asks the run to end after what is in flight; the second ends it at once.

    Attributes:
        signal: The signal that came, or 0.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal = 0

    def __call__(self) -> bool:
        """Whether a signal came."""
        return bool(self.signal)

    @property
    def exit_code(self) -> int:
        """What shells expect of a process that a signal ended."""
        return 128 + self.signal

    def __enter__(self) -> Interrupt:
        """Take over the signals; outside the main thread Python allows nobody to."""
        self._old = {}
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._caught) for number in self._SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        for other, handler in self._old.items():
            signal.signal(other, handler)

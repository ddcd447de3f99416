"""Ctrl-C and SIGTERM while nothing is at stake: the process ends at once, with a line and without a traceback.

The command imports this before everything else, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = "Interrupted."


def leave_on_signals() -> None:
    """Let a signal end the process; one that is ignored, as in a background job of a shell, stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)


def leave(number: int, _frame: FrameType | None = None) -> NoReturn:
    """End the process without unwinding it, with the exit code that shells expect of signal ``number``."""
    try:
        os.write(2, f"{INTERRUPTED}\n".encode())
    finally:  # stderr may be closed
        os._exit(128 + number)

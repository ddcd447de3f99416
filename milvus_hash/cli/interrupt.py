"""Ctrl-C and SIGTERM: as an exception, or as a question that a long run can ask: is it time to end?"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, NoReturn

from milvus_hash.signals import SIGNALS, leave

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


class Interrupted(KeyboardInterrupt):
    """A signal ends the run.

    Attributes:
        signal: Its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


@contextmanager
def raising_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise :class:`Interrupted` meanwhile, so that what is open gets closed.

    Python drops what is raised in a callback of the garbage collector or of an import; then the process ends at once.
    And an import may make an error of its own of it; that is an interrupt all the same.
    """
    came = 0

    def caught(number: int, frame: FrameType | None) -> NoReturn:
        nonlocal came
        came = number
        raise Interrupted(number)

    def dropped(what: UnraisableHookArgs) -> None:
        if isinstance(what.exc_value, Interrupted):
            leave(what.exc_value.signal)
        hook(what)

    hook, old = sys.unraisablehook, {}
    if threading.current_thread() is threading.main_thread():  # Python allows it nobody else
        ours = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        old = {number: signal.signal(number, caught) for number in ours}
    sys.unraisablehook = dropped
    try:
        yield
    except Exception as error:
        if came:
            raise Interrupted(came) from error
        raise
    finally:
        sys.unraisablehook = hook
        for number, handler in old.items():
            signal.signal(number, handler)


class Interrupt:
    """The first SIGINT or SIGTERM asks the run to end after what is in flight; the second ends it at once.

    Attributes:
        signal: The signal that came, or 0.
    """

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
            self._old = {number: signal.signal(number, self._caught) for number in SIGNALS}
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

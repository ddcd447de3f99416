"""Milvus Lite's server is a child process, and a terminal sends Ctrl-C to every process that runs in it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from milvus_hash.signals import SIGNALS


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep signals from the processes that this thread starts meanwhile.

    The server has to outlive the signal, so that what was encoded is still written; it ends by itself with the process
    that started it. This process gets its signals as soon as the block is left, or through another thread.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # which a child inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""Signals wait for the end of what belongs together."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from milvus_hash.store.unbroken import unbroken


@pytest.fixture(autouse=True)
def _raising():
    """Ctrl-C as Python has it, also where the tests run in the background."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, old)


def test_a_signal_is_heeded_at_the_end():
    done = []

    def step() -> None:
        with unbroken():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_comes_first():
    def step() -> None:
        with unbroken():
            os.kill(os.getpid(), signal.SIGINT)
            raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        step()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outside_the_main_thread_nothing_is_touched():
    seen = []

    def work() -> None:
        with unbroken():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]

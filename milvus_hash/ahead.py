"""Items of a source that may keep one waiting, taken by a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_AHEAD = 256  # items that wait to be asked for


def ahead(items: Iterable[Item], *, pause: float) -> Iterator[Item | None]:
    """``items`` in their order, and None whenever none came for ``pause`` seconds.

    So whoever asks can do something else meanwhile, or heed a signal: a read of a pipe that nobody writes to does not
    come back. The thread that hangs in one is left behind, and ends with the process.

    Args:
        items: What is taken; nobody else may use it.
        pause: Seconds.

    Example:
        >>> list(ahead(["a", "b"], pause=10))
        ['a', 'b']
    """
    ready: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(_AHEAD)
    left = threading.Event()

    def take() -> None:
        end: BaseException | None = None
        try:
            for item in items:
                ready.put((item,))
                if left.is_set():
                    return
        except BaseException as error:
            end = error
        ready.put(end)

    thread = threading.Thread(target=take, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                found = ready.get(timeout=pause)
            except queue.Empty:
                yield None
                continue
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found[0]
    finally:
        left.set()
        while not ready.empty():  # the thread may wait for room
            ready.get_nowait()
        thread.join(pause)

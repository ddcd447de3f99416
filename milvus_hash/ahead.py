"""Work that is done ahead of whoever asks for it: in threads, within bounds, in order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import repeat
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 256  # items that wait to be asked for


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    waiting: int = 0,
    clash: Callable[[Item, Item], bool] | None = None,
    prepare: Callable[[], object] | None = None,
) -> Generator[Result, None, None]:
    """The results of ``function`` in the order of ``items``, which are taken here and worked on in threads.

    An error of an item comes in the place of its result, one of ``items`` after the results before it. Either ends the
    work, as does closing the iterator: what is in a thread is finished, what waits for one is dropped.

    Args:
        function: What is done with an item.
        items: What is worked on.
        threads: Items that are worked on together.
        waiting: Further items and results that are kept.
        clash: Whether two items must not be worked on together; the later one then waits.
        prepare: Called first in each thread.

    Example:
        >>> list(in_order(abs, [-1, 2, -3], threads=2))
        [1, 2, 3]
    """
    under_way: deque[tuple[Item, Future[Result]]] = deque()
    failures: list[Exception] = []

    def taken() -> Iterator[Item]:
        try:
            yield from items
        except Exception as error:
            failures.append(error)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead", initializer=prepare)
    try:
        for item in taken():
            while len(under_way) == threads + waiting or (clash and any(clash(item, other) for other, _ in under_way)):
                yield under_way.popleft()[1].result()
            under_way.append((item, pool.submit(function, item)))
        while under_way:
            yield under_way.popleft()[1].result()
        for failure in failures:
            raise failure
    finally:
        pool.shutdown(wait=True, cancel_futures=waiting > 0)


def one_ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """``items``, the next of which is made in a thread while the caller works on the last one.

    Example:
        >>> list(one_ahead(iter("abc")))
        ['a', 'b', 'c']
    """
    with closing(in_order(lambda _: next(items, None), repeat(None), threads=1, waiting=1)) as made:
        for item in made:
            if item is None:
                return
            yield item


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

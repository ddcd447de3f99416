"""Threads work ahead: in order, within bounds, and none is left behind."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from milvus_hash.ahead import ahead, in_order, one_ahead


def threads_left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


@pytest.mark.parametrize(("threads", "waiting"), [(1, 0), (1, 1), (4, 0), (4, 9)])
def test_results_come_in_the_order_of_the_items(threads, waiting):
    def slow(number):
        time.sleep(0.001 * (number % 5))
        return -number

    assert list(in_order(slow, range(50), threads=threads, waiting=waiting)) == [-number for number in range(50)]
    assert not threads_left()


def test_no_more_is_taken_than_is_allowed():
    taken = []

    def source():
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(abs, source(), threads=2, waiting=3)
    assert next(results) == 0
    assert len(taken) == 6  # five under way, and the one for which the first made room
    assert next(results) == 1
    assert len(taken) == 7
    results.close()
    assert len(taken) == 7
    assert not threads_left()


def test_threads_work_while_the_caller_does():
    begun = threading.Event()

    def work(number):
        if number == 1:
            begun.set()
        return number

    results = in_order(work, range(3), threads=1, waiting=1)
    assert next(results) == 0
    assert begun.wait(60)
    assert list(results) == [1, 2]


def test_an_error_of_an_item_comes_in_its_place():
    results = in_order(lambda number: 6 // number, [3, 2, 0, 1], threads=4)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not threads_left()


def test_an_error_of_the_source_comes_after_the_results_before_it():
    done = []

    def source():
        yield from range(3)
        raise ValueError("broken")

    results = in_order(done.append, source(), threads=2)
    with pytest.raises(ValueError, match="broken"):
        list(results)
    assert done == [0, 1, 2]


def test_whoever_leaves_early_waits_for_what_is_in_a_thread_and_for_no_more():
    done, begun, leaving = [], threading.Event(), threading.Event()

    def work(number):
        if number == 1:
            begun.set()
            leaving.wait(60)
            while not results.gi_running:
                time.sleep(0.001)
            time.sleep(0.1)
        done.append(number)

    results = in_order(work, range(100), threads=1, waiting=5)
    next(results)
    assert begun.wait(60)
    leaving.set()
    results.close()
    assert done == [0, 1]
    assert not threads_left()


@pytest.fixture
def interruptible():
    """Ctrl-C counts, also in a process that was started in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_leaves_no_thread(interruptible):
    done = []

    def work(number):
        if number == 2:
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.01)
        done.append(number)

    with pytest.raises(KeyboardInterrupt):
        list(in_order(work, range(1000), threads=1, waiting=5))
    assert not threads_left()
    assert 2 in done
    assert len(done) < 1000


def test_items_that_clash_are_not_worked_on_together():
    together, most = set(), []

    def work(item):
        together.add(item)
        time.sleep(0.01)
        most.append(sorted(together))
        together.discard(item)

    items = [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("a", 3)]
    list(in_order(work, items, threads=5, clash=lambda one, other: one[0] == other[0]))
    assert all(len({name for name, _ in some}) == len(some) for some in most)
    assert max(map(len, most)) > 1


def test_each_thread_is_prepared():
    seen = threading.local()
    results = in_order(lambda _: seen.ready, range(9), threads=3, prepare=lambda: setattr(seen, "ready", True))
    assert all(results)


def test_the_next_one_is_made_while_the_caller_works_on_the_last():
    made, third = [], threading.Event()

    def source():
        for number in range(5):
            made.append(number)
            if number == 1:
                third.set()
            yield number

    items = one_ahead(source())
    assert next(items) == 0
    assert third.wait(60)
    assert made == [0, 1]
    assert list(items) == [1, 2, 3, 4]
    assert not threads_left()


def test_whoever_leaves_the_next_one_leaves_no_thread():
    closed = []

    def source():
        try:
            yield from range(5)
        finally:
            closed.append(True)

    items = one_ahead(source())
    next(items)
    items.close()
    del items
    assert not threads_left()
    assert closed


def test_an_error_comes_in_the_place_of_the_next_one():
    def source():
        yield 1
        raise ValueError("broken")

    items = one_ahead(source())
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)
    assert not threads_left()


def test_items_come_in_their_order_and_once():
    assert [item for item in ahead(range(5000), pause=60) if item is not None] == list(range(5000))


def test_none_stands_for_a_pause():
    more = threading.Event()

    def source():
        yield "first"
        more.wait(60)
        yield "second"

    items = ahead(source(), pause=0.01)
    assert next(items) == "first"
    assert next(items) is None
    more.set()
    assert [item for item in items if item is not None] == ["second"]


def test_an_error_comes_after_what_came_before_it():
    def source():
        yield 1
        raise ValueError("broken")

    items = ahead(source(), pause=60)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_whoever_stops_asking_stops_the_thread():
    taken = []

    def source():
        for number in range(100_000):
            taken.append(number)
            yield number

    items = ahead(source(), pause=60)
    next(items)
    items.close()
    assert len(taken) < 1000
    assert not threads_left()

"""A thread takes items ahead; whoever asks is never kept waiting."""

from __future__ import annotations

import threading

import pytest

from milvus_hash.ahead import ahead


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
    assert not any(thread.name == "ahead" for thread in threading.enumerate())

"""pymilvus logs the traceback of every call that fails: not for calls of this package, whose errors say it in a line.

Calls of others in the same process are logged as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

_ours: ContextVar[bool] = ContextVar("_ours", default=False)


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (any client method)
    """Call a method of a client; what it logs of its failure is left out."""
    before = _ours.set(True)
    try:
        return function(*args, **kwargs)
    finally:
        _ours.reset(before)


def heed() -> None:
    """Have pymilvus, which has just been imported, heed it."""
    logging.getLogger("pymilvus.decorators").addFilter(_is_of_others)


def _is_of_others(record: logging.LogRecord) -> bool:
    return not _ours.get()


async def awaited_quietly(answer: Awaitable[Any]) -> Any:  # noqa: ANN401
    """As :func:`quietly`, of an asyncio client."""
    before = _ours.set(True)
    try:
        return await answer
    finally:
        _ours.reset(before)

"""A connection for asyncio: the same steps, sent by pymilvus' asyncio client."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from milvus_hash.errors import AnswerTooLarge
from milvus_hash.store.call import Call, Result, Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.deadline import Deadline
from milvus_hash.store.faults import errors, failed, is_not_loaded, passes, refused
from milvus_hash.store.float_codes import Sent, sending
from milvus_hash.store.opening import open_async_client
from milvus_hash.store.quiet import awaited_quietly

if TYPE_CHECKING:
    from pymilvus import AsyncMilvusClient


async def in_thread(function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401 (the function's own)
    """As ``asyncio.to_thread``, in a thread of its own: the few threads of that one may all be waiting for Milvus."""
    executor, context = ThreadPoolExecutor(1), copy_context()
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, context.run, function, *arguments)
    finally:
        executor.shutdown(wait=False)


@dataclass(slots=True)
class _Opened:
    """The client of one event loop; the lock is held while it is opened."""

    client: AsyncMilvusClient | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class AsyncConnection:
    """The asyncio counterpart of a :class:`Connection`, with clients of its own, opened when first needed.

    pymilvus' client belongs to an event loop, so each loop that asks gets one.

    Args:
        connection: Where it goes, and how. It is opened first, and stays open: it checks the login, and it runs
            Milvus Lite.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._opened: dict[AbstractEventLoop, _Opened] = {}

    async def run(self, steps: Steps[Result], consistency: Consistency) -> Result:
        """Carry out ``steps`` call by call; see :meth:`Connection.run`."""
        try:
            call = next(steps)
            while True:
                unknown = consistency.unknown_times
                level = {"consistency_level": consistency.level} if call.read else {}
                try:
                    answer = await self._call(call, level)
                except AnswerTooLarge as error:  # the steps may ask for it in parts
                    call = steps.throw(error)
                    continue
                if call.read:
                    consistency.has_read(unknown)
                call = steps.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result

    async def close(self) -> None:
        """Close these clients, and give that of the connection back; the next call opens them again."""
        for loop in list(self._opened):
            await self._close(loop)
        await in_thread(self._connection.close)

    async def _call(self, call: Call, level: dict[str, str]) -> Any:  # noqa: ANN401 (any answer)
        """As :meth:`Connection.call`."""
        deadline = Deadline(self._connection.timeout)
        options = {**call.kwargs, **level}
        if not self._connection.lite3:
            return await self._send(call, Sent(call.method, (), options), deadline)
        try:
            steps = sending(call.method, (), options)
            sent = next(steps)
            while True:
                sent = steps.send(await self._send(call, sent, deadline))
        except StopIteration as end:
            return end.value

    async def _send(self, call: Call, sent: Sent, deadline: Deadline) -> Any:  # noqa: ANN401
        function = getattr(await self._open(deadline), sent.method)
        while True:
            try:
                asking = function(*sent.arguments, **sent.options, timeout=deadline.left)
                return await asyncio.wait_for(awaited_quietly(asking), deadline.left)
            except errors() as error:
                loading = is_not_loaded(error) and await self._is_loading(call, deadline)
                pause = deadline.pause() if loading or passes(error) else None
                if pause is None:
                    address, seconds = self._connection.address, deadline.seconds
                    raise failed(address, call.doing, error, seconds, loading=loading) from None
            await asyncio.sleep(pause)

    async def _is_loading(self, call: Call, deadline: Deadline) -> bool:
        return await in_thread(self._connection.is_loading, call.kwargs["collection_name"], deadline.left)

    async def _open(self, deadline: Deadline) -> AsyncMilvusClient:
        """The client of the running loop; several tasks that need one at once get the same."""
        opened = self._opened.get(asyncio.get_running_loop())
        if opened is not None and opened.client is not None:
            return opened.client
        try:
            return await asyncio.wait_for(self._open_anew(deadline), deadline.left)
        except errors() as error:
            raise refused(self._connection.address, error) from None

    async def _open_anew(self, deadline: Deadline) -> AsyncMilvusClient:
        for loop in [loop for loop in self._opened if loop.is_closed()]:
            await self._close(loop)
        opened = self._opened.setdefault(asyncio.get_running_loop(), _Opened())
        async with opened.lock:
            if opened.client is None:
                await in_thread(self._connection.open, deadline)
                opened.client = await open_async_client(self._connection.address, deadline)
            return opened.client

    async def _close(self, loop: AbstractEventLoop) -> None:
        """Close the client of a loop, which may be over or belong to another thread."""
        opened = self._opened.pop(loop, None)
        if opened is None or opened.client is None:
            return
        if loop is asyncio.get_running_loop():
            await opened.client.close()
        elif loop.is_running():
            asyncio.run_coroutine_threadsafe(opened.client.close(), loop)
        else:
            with suppress(Exception):
                await opened.client.close()

"""A connection for asyncio: the same steps, sent by pymilvus' asyncio client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from milvus_hash.store.call import Call, Result, Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.faults import Deadline, errors, failed, is_not_loaded, passes, refused

if TYPE_CHECKING:
    from pymilvus import AsyncMilvusClient


class AsyncConnection:
    """The asyncio counterpart of a :class:`Connection`, with a client of its own, opened when first needed.

    It belongs to the event loop of its first call, as pymilvus' client does, until it is closed.

    Args:
        connection: Where it goes, and how. It is opened first, and stays open: it checks the login, and it runs
            Milvus Lite.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client: AsyncMilvusClient | None = None
        self._opening = asyncio.Lock()

    async def run(self, steps: Steps[Result], consistency: Consistency) -> Result:
        """Carry out ``steps`` call by call; see :meth:`Connection.run`."""
        try:
            call = next(steps)
            while True:
                writes, level = consistency.writes, {"consistency_level": consistency.level} if call.read else {}
                answer = await self._call(call, level)
                if call.read:
                    consistency.has_read(writes)
                call = steps.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result

    async def close(self) -> None:
        """Close this client, and give that of the connection back; the next call opens both again."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        await asyncio.to_thread(self._connection.close)

    async def _call(self, call: Call, level: dict[str, str]) -> Any:  # noqa: ANN401 (any answer)
        """As :meth:`Connection.call`; what pymilvus does to reconnect is within the deadline, too."""
        deadline = Deadline(self._connection.timeout)
        function = getattr(await self._open(), call.method)
        while True:
            try:
                asking = function(**call.kwargs, **level, timeout=deadline.left)
                return await asyncio.wait_for(asking, deadline.left)
            except errors() as error:
                loading = is_not_loaded(error) and await self._is_loading(call, deadline)
                pause = deadline.pause() if loading or passes(error) else None
                if pause is None:
                    address, seconds = self._connection.address, deadline.seconds
                    raise failed(address, call.doing, error, seconds, loading=loading) from None
            await asyncio.sleep(pause)

    async def _is_loading(self, call: Call, deadline: Deadline) -> bool:
        return await asyncio.to_thread(self._connection.is_loading, call.kwargs["collection_name"], deadline.left)

    async def _open(self) -> AsyncMilvusClient:
        """The client; several tasks that need one at once get the same."""
        from pymilvus import AsyncMilvusClient

        async with self._opening:
            if self._client is None:
                await asyncio.to_thread(lambda: self._connection.client)
                client = AsyncMilvusClient(**self._connection.address.arguments())
                try:
                    await client.__aenter__()
                except BaseException as error:
                    await client.close()
                    if isinstance(error, errors()):
                        raise refused(self._connection.address, error) from None
                    raise
                self._client = client
            return self._client

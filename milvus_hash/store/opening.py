"""How a client of pymilvus is opened: within a deadline, whoever else is opening one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milvus_hash.store import lite
from milvus_hash.store.address import Address
from milvus_hash.store.deadline import Deadline
from milvus_hash.store.faults import errors, is_starting, is_unreachable

if TYPE_CHECKING:
    from pymilvus import AsyncMilvusClient, MilvusClient

_DIRECTORY = "global-cluster"  # in the name of a host of Zilliz Cloud that only says which server to go to


def open_client(address: Address, deadline: Deadline) -> MilvusClient:
    """A client that is connected; with it goes a use of Milvus Lite, to be released after it.

    Raises:
        StoreError: The address cannot be used, or another process has the local file open.
        MissingExtra: Milvus Lite is needed and not installed.
        Exception: One of :func:`~milvus_hash.store.faults.errors`; the server does not answer or refuses the login.
    """
    from milvus_hash.store.driver import MilvusClient

    address.check()
    target = lite.start(Path(address.uri), deadline) if address.lite else address.target
    try:
        if _DIRECTORY not in address.host:
            _await_answer(address, target, deadline)
        client = MilvusClient(address.uri, timeout=deadline.left, dedicated=True, **address.arguments())
    except BaseException:
        if address.lite:
            lite.release(Path(address.uri))
        raise
    _set_on_error(address, client, _give_back)
    return client


async def open_async_client(address: Address, deadline: Deadline) -> AsyncMilvusClient:
    """The same for asyncio, where a client of :func:`open_client` is open."""
    from milvus_hash.store.driver import AsyncMilvusClient

    client = AsyncMilvusClient(address.uri, timeout=deadline.left, dedicated=True, **address.arguments())
    try:
        await client.__aenter__()
    except BaseException:
        await client.close()
        raise

    async def give_back(error: Exception) -> bool:
        return _give_back(error)

    _set_on_error(address, client, give_back)
    return client


def _await_answer(address: Address, target: str, deadline: Deadline) -> None:
    """Wait until a server that is starting answers; raise what keeps any other from doing so.

    pymilvus would hold a lock of the whole process while it waits, and let nobody else connect to any server.
    """
    from pymilvus.client.grpc_handler import GrpcHandler

    secure = address.uri.startswith("https:")
    while True:
        handler = GrpcHandler(address=target, secure=secure, **address.arguments())
        try:
            handler._wait_for_channel_ready(timeout=deadline.left)
            return
        except errors() as error:
            late = address.lite and is_unreachable(error) and lite.is_running(Path(address.uri))
            pause = deadline.pause() if late or is_starting(error) else None
            if pause is None:
                raise
        finally:
            handler.close()
        time.sleep(pause)


def _set_on_error(address: Address, client: Any, give_back: Callable[[Exception], object]) -> None:  # noqa: ANN401
    """Have pymilvus call ``give_back`` between two tries; the first releases of 2.6 have no such thing."""
    if _DIRECTORY not in address.host and hasattr(client, "_handler"):
        client._handler._on_rpc_error = give_back


def _give_back(error: Exception) -> bool:
    """Let the deadline of the call decide on another try.

    pymilvus would connect anew, for as long as opening may take, and hold its lock meanwhile. gRPC connects by itself.

    Returns:
        Whether the error is mended.
    """
    if is_unreachable(error):
        raise error
    return False

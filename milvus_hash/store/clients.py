"""The pymilvus clients of this process: collections on the same server with the same login share one."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from milvus_hash.store.address import Address
from milvus_hash.store.deadline import Deadline

if TYPE_CHECKING:
    from milvus_hash.store.driver import MilvusClient


@dataclass(slots=True)
class _Shared:
    """A client and how many use it; the lock is held while it is opened and closed."""

    client: MilvusClient | None = None
    users: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_shared: defaultdict[Address, _Shared] = defaultdict(_Shared)


def acquire(address: Address, connect: Callable[[Address, Deadline], MilvusClient], deadline: Deadline) -> MilvusClient:
    """The client of ``address``, made by ``connect`` unless there is one; pair it with :func:`release`.

    Raises:
        asyncio.TimeoutError: Somebody else has been opening it all the time.
    """
    shared = _shared[address]
    with deadline.holding(shared.lock):
        if shared.client is None:
            shared.client = connect(address, deadline)
        shared.users += 1
        return shared.client


def release(address: Address) -> bool:
    """Close the client of ``address`` if nobody uses it any more; says whether it did."""
    shared = _shared[address]
    with shared.lock:
        shared.users -= 1
        if shared.users == 0 and shared.client is not None:
            shared.client.close()
            shared.client = None
        return shared.client is None

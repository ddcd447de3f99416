"""The pymilvus clients of this process: collections on the same server with the same login share one."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from milvus_hash.store.address import Address

if TYPE_CHECKING:
    from pymilvus import MilvusClient


@dataclass(slots=True)
class _Shared:
    """A client and how many use it; the lock is held while it is opened and closed."""

    client: MilvusClient | None = None
    users: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_shared: defaultdict[Address, _Shared] = defaultdict(_Shared)


def acquire(address: Address, connect: Callable[[], MilvusClient]) -> MilvusClient:
    """The client of ``address``, made by ``connect`` unless there is one; pair it with :func:`release`."""
    shared = _shared[address]
    with shared.lock:
        if shared.client is None:
            shared.client = connect()
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

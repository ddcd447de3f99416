"""Milvus as other programs use it: a client of plain pymilvus."""

from __future__ import annotations

from pymilvus import MilvusClient

# Milvus Lite hangs up on a client that pings while it asks nothing; a test may be long between two questions
_NO_PINGS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": False}


def plain_client(uri: str) -> MilvusClient:
    """A client of its own, with no connection that an earlier test has left."""
    return MilvusClient(uri, timeout=60, dedicated=True, grpc_options=_NO_PINGS)

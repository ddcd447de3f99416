"""The proxy between here and a server: gRPC takes it from the environment, unasked."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network

from milvus_hash.store.masking import mask

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")  # gRPC looks at the first one that is set, in small letters only
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")


def proxy_hint(host: str) -> str:
    """Which variable sends calls to ``host`` through a proxy, and what to do; empty if none does."""
    name = next((name for name in _PROXIES if name in os.environ), "")
    if not host or not os.environ.get(name, "").startswith("http://"):
        return ""
    exceptions = next((os.environ[other] for other in _EXCEPTIONS if other in os.environ), "")
    if any(_covers(exception.strip().lower(), host) for exception in exceptions.split(",")):
        return ""
    proxy = mask(os.environ[name])
    return f"{name}={proxy} sends calls to {host} through a proxy: put it into no_proxy to go there directly"


def _covers(exception: str, host: str) -> bool:
    """Whether one entry of ``no_proxy`` is about ``host``, as gRPC reads it: the end of a name, or a network."""
    try:
        return ip_address(host) in ip_network(exception, strict=False)
    except ValueError:
        return bool(exception) and host.endswith(exception)

"""A real Milvus 2.3.5 server for tests and benchmarks, from the ``milvus`` wheel of PyPI (Linux x86-64).

The wheel carries the whole standalone server (etcd embedded, local storage). Every server gets its own free
ports and a temporary folder, so that two test runs can stand side by side.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

AVAILABLE = sys.platform == "linux" and platform.machine() == "x86_64"
"""Whether the wheel exists for this machine; where it does, a server that fails to start is an error."""

_PORT_KEYS = [
    "etcd_port",
    "root_coord_port",
    "proxy_port",
    "proxy_internal_port",
    "query_coord_port",
    "query_node_port",
    "index_coord_port",
    "index_node_port",
    "data_coord_port",
    "data_node_port",
]

# Milliseconds between looks at what there is to load; with Milvus' own 1000, a new collection takes 3 s.
_QUICK = {
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "50",
    "QUERYCOORD_CHECKCHANNELINTERVAL": "50",
    "QUERYCOORD_CHECKINTERVAL": "50",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
    "QUERYCOORD_CHECKEXECUTEDFLAGINTERVAL": "50",
    "INDEXCOORD_SCHEDULER_INTERVAL": "50",
}


@contextmanager
def milvus_server(*, authorization: bool = False, start_timeout: float = 120.0) -> Iterator[str]:
    """Start a server, yield its uri, then stop it and remove its data.

    Args:
        authorization: Ask for a login (``root:Milvus``).
        start_timeout: Seconds until a server that does not answer counts as failed.
    """
    from milvus import MilvusServer, MilvusServerConfig

    folder = Path(tempfile.mkdtemp(prefix="milvus-server-"))
    *ports, health_port, etcd_port, peer_port = _free_ports(len(_PORT_KEYS) + 3)
    config = MilvusServerConfig(data_dir=str(folder), **dict(zip(_PORT_KEYS, ports, strict=True)))
    config.set("authorization_enabled", authorization)
    server = MilvusServer(config, wait_for_started=False)
    server.webservice_port = health_port
    etcd_config = folder / "etcd.yaml"  # without it the embedded etcd listens on its fixed 2379 and 2380
    etcd_config.write_text(
        f"listen-client-urls: http://127.0.0.1:{etcd_port}\nadvertise-client-urls: http://127.0.0.1:{etcd_port}\n"
        f"listen-peer-urls: http://127.0.0.1:{peer_port}\n"
        f"initial-advertise-peer-urls: http://127.0.0.1:{peer_port}\n"
        f"initial-cluster: default=http://127.0.0.1:{peer_port}\n"
    )
    environment = {"ETCD_CONFIG_PATH": str(etcd_config), **_QUICK}
    os.environ.update(environment)
    try:
        server.start()
        uri = f"http://127.0.0.1:{server.listen_port}"
        _wait_until_healthy(server, folder, start_timeout)
        yield uri
    finally:
        for name in environment:
            os.environ.pop(name, None)
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Free ports of this machine; all are held until the last one is known, so that no two are equal."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_until_healthy(server, folder: Path, timeout: float) -> None:
    """Return when the health page says OK; raise with the end of the server's log when it does not."""
    from urllib.request import urlopen

    url = f"http://127.0.0.1:{server.webservice_port}/healthz"
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and server.server_proc.poll() is None:
        try:
            with urlopen(url, timeout=5) as reply:
                if b"OK" in reply.read():
                    return
        except OSError:
            pass
        time.sleep(0.1)
    log = (folder / "logs" / "milvus-stdout.log").read_text(errors="replace")[-2000:]
    raise RuntimeError(f"the Milvus server ended or did not answer for {timeout:.0f} s; its log ends with:\n{log}")

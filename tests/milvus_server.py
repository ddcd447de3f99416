"""A real Milvus 2.3.5 server for tests and benchmarks, from the ``milvus`` wheel of PyPI (Linux x86-64).

The wheel carries the whole standalone server (etcd embedded, local storage). Every server gets its own free
ports and a temporary folder, so that two test runs can stand side by side.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

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


class Server:
    """A server of its own that a test may stop, suspend and start again on the same port and data.

    Args:
        folder: For its data and logs.
        authorization: Ask for a login (``root:Milvus``).
        settings: More of Milvus' settings, as environment variables.
    """

    def __init__(self, folder: Path, *, authorization: bool = False, settings: Mapping[str, str] | None = None) -> None:
        from milvus import MilvusServerConfig, _initialize_data_files

        *ports, health_port, etcd_port, peer_port = _free_ports(len(_PORT_KEYS) + 3)
        config = MilvusServerConfig(data_dir=str(folder), **dict(zip(_PORT_KEYS, ports, strict=True)))
        config.set("authorization_enabled", authorization)
        etcd_config = folder / "etcd.yaml"  # without it the embedded etcd listens on its fixed 2379 and 2380
        etcd_config.write_text(
            f"listen-client-urls: http://127.0.0.1:{etcd_port}\nadvertise-client-urls: http://127.0.0.1:{etcd_port}\n"
            f"listen-peer-urls: http://127.0.0.1:{peer_port}\n"
            f"initial-advertise-peer-urls: http://127.0.0.1:{peer_port}\n"
            f"initial-cluster: default=http://127.0.0.1:{peer_port}\n"
        )
        self.uri = f"http://127.0.0.1:{ports[_PORT_KEYS.index('proxy_port')]}"
        self._folder = folder
        self._health = f"http://127.0.0.1:{health_port}/healthz"
        _initialize_data_files(str(folder))
        config.resolve()  # once: after a kill it would find the ports busy for a minute
        self._environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(health_port),
            "MILVUS_RUN_DIR": str(folder / "run"),
            "LD_LIBRARY_PATH": str(folder / "bin"),
            "ETCD_CONFIG_PATH": str(etcd_config),
            **_QUICK,
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 120.0) -> None:
        """Start it, and return when its health page says OK; raise with the end of its log when it does not."""
        log = self._folder / "milvus.log"
        with log.open("wb") as file:
            command = [self._folder / "bin" / "milvus", "run", "standalone"]
            self._process = subprocess.Popen(command, cwd=self._folder, env=self._environment, stdout=file, stderr=file)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urlopen(self._health, timeout=5) as reply:
                    if b"OK" in reply.read():
                        return
            except OSError:
                pass
            time.sleep(0.1)
        end = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the Milvus server ended or did not answer for {timeout:.0f} s; its log ends with:\n{end}")

    def kill(self) -> None:
        """End it at once, as a crash would; its data stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Meanwhile its connections stay open and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def own_server(*, authorization: bool = False, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start a :class:`Server`, then stop it and remove its data."""
    folder = Path(tempfile.mkdtemp(prefix="milvus-server-"))
    server = Server(folder, authorization=authorization, settings=settings)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def milvus_server(*, authorization: bool = False) -> Iterator[str]:
    """Start a server that stays up, yield its uri, then stop it and remove its data."""
    with own_server(authorization=authorization) as server:
        yield server.uri


def _free_ports(count: int) -> list[int]:
    """Free ports of this machine; all are held until the last one is known, so that no two are equal."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]

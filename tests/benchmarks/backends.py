"""What the Milvus benchmarks share: a backend to run on, encoders, codes, and interleaved timing."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymilvus import MilvusClient

sys.path.insert(0, str(Path(__file__).parents[1]))

from milvus_server import milvus_server
from tiny_model import write_tiny_bundle

from milvus_hash import Encoder, HashCollection, starter_path

BACKENDS = {"lite": ("lite",), "server": ("server",), "both": ("lite", "server")}


@contextmanager
def backend_uri(backend: str) -> Iterator[str]:
    """The uri of a fresh Milvus Lite file or of a fresh server."""
    if backend == "server":
        with milvus_server() as uri:
            yield uri
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield f"{folder}/benchmark.db"


@contextmanager
def any_encoder() -> Iterator[Encoder]:
    """The starter bundle where there is one, else the tiny bundle of the tests."""
    if (starter_path() / "bundle.json").is_file():
        yield Encoder.load(starter_path(), threads=1)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Encoder.load(write_tiny_bundle(Path(folder) / "tiny").path, threads=1)


@contextmanager
def encoder_of(bits: int) -> Iterator[Encoder]:
    """An encoder of the tests' tiny bundle, for benchmarks that bring their own codes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Encoder.load(write_tiny_bundle(Path(folder) / "tiny", bits=(bits,)).path, threads=1)


def clustered_codes(count: int, bits: int, *, seed: int = 0, centres: int = 2000) -> NDArray[np.uint8]:
    """Codes uint8 ``(count, bits // 8)`` around ``centres`` random ones, which are the same for every ``seed``.

    Few centres have most of the codes, as topics have; a tenth of the bits of a code differ from its centre's. Two in
    a hundred codes equal a centre, so that there are duplicates.
    """
    middles = np.random.default_rng(bits).integers(0, 256, (centres, bits // 8), dtype=np.uint8)
    generator = np.random.default_rng(seed)
    codes = np.empty((count, bits // 8), dtype=np.uint8)
    for start in range(0, count, 50_000):
        block = codes[start : start + 50_000]
        chosen = (centres * generator.random(len(block)) ** 3).astype(np.intp)
        differ = generator.random((len(block), bits), dtype=np.float32) < 0.1
        differ &= generator.random((len(block), 1)) >= 0.02
        block[:] = middles[chosen] ^ np.packbits(differ, axis=1)
    return codes


def settle(collection: HashCollection, rows: int) -> None:
    """On a server, seal, index and load again what was written, so that indexed segments answer."""
    if collection.uri.startswith("http"):
        client = collection.table.connection.client
        seal(client, collection.name, "code", rows)
        client.release_collection(collection.name)
        client.load_collection(collection.name)


def seal(client: MilvusClient, name: str, field: str, rows: int, timeout: float = 3600.0) -> None:
    """Flush the collection and wait for the index of all its rows."""
    deadline = time.monotonic() + timeout
    client.flush(name, timeout=timeout)
    while (found := client.describe_index(name, field))["indexed_rows"] < rows:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the index is not there after {timeout:.0f} s: {found}")
        time.sleep(0.2)


def interleaved(contenders: dict[str, Callable[[int], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every call; the contenders take turns, in changing order, so that noise meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for repeat in range(repeats):
        for name in names if repeat % 2 else names[::-1]:
            start = time.perf_counter()
            contenders[name](repeat)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratio(numerator: list[float], denominator: list[float]) -> float:
    """The median of the ratios of calls that ran next to each other."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))

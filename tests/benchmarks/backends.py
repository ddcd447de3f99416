"""What the Milvus benchmarks share: a backend to run on, and interleaved timing."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from milvus_server import milvus_server
from tiny_model import write_tiny_bundle

from milvus_hash import Encoder, starter_path

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

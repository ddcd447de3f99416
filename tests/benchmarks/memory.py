"""Memory of the encoder's generator over many pictures: it must not grow.

    python tests/benchmarks/memory.py [--count 100000]

A tiny bundle keeps it short; what could grow (queues, futures, results) does not depend on the network. The resident
memory is read every tenth of the way; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_model import write_tiny_bundle

from milvus_hash import Encoder, starter_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    count = parser.parse_args().count
    pictures = sorted((starter_path().parent / "sample" / "images").iterdir())
    process = psutil.Process()
    resident = []
    with tempfile.TemporaryDirectory() as folder:
        encoder = Encoder.load(write_tiny_bundle(Path(folder) / "tiny").path)
        rows = encoder.stream("image", ((n, pictures[n % len(pictures)]) for n in range(count)))
        started = time.perf_counter()
        for part in range(10):
            for row in islice(rows, count // 10):
                assert row.error is None
            resident.append(round(process.memory_info().rss / 1e6, 1))
            print(f"{(part + 1) * count // 10:>9,} pictures: {resident[-1]} MB", file=sys.stderr)
        seconds = time.perf_counter() - started
    print(json.dumps({
        "benchmark": "memory", "count": count, "resident_mb": resident,
        "growth_mb_after_first_tenth": round(resident[-1] - resident[0], 1), "images_per_s": round(count / seconds),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

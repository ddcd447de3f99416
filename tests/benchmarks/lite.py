"""What the Milvus Lite that is installed costs: time to write and to search, memory, disk.

    python tests/benchmarks/lite.py [--rows 50000] [--repeats 30]

Milvus Lite 2 and 3 cannot be installed side by side: run it in an environment of each, on the same machine. Rows are
codes of 64 bits with a declared field and a dynamic one, half images and half texts. Every other time is the median of
some calls after the file was closed and opened again; memory is that of this process and its children, with what
numpy, pymilvus and the encoder take. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from backends import clustered_codes, encoder_of

from milvus_hash import CodeRow, HashCollection
from milvus_hash.store import lite

BITS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    codes = clustered_codes(arguments.rows, BITS)
    rows = (
        CodeRow(str(n), "text" if n % 2 else "image", 0, code, {"price": n % 100, "note": f"the note of {n}"})
        for n, code in enumerate(codes)
    )
    asked = clustered_codes(100, BITS, seed=1)
    with tempfile.TemporaryDirectory() as folder, encoder_of(BITS) as encoder:
        before = resident()
        with HashCollection.create("codes", encoder, uri=f"{folder}/own.db", fields={"price": int}) as collection:
            started = time.perf_counter()
            collection.add_codes(rows)
            written = time.perf_counter() - started
            fresh = median(arguments.repeats, lambda n: collection.search(code=asked[n % 100]))
        started = time.perf_counter()
        with HashCollection.open("codes", encoder, uri=f"{folder}/own.db") as collection:
            collection.search(code=asked[0])
            opened = time.perf_counter() - started

            def search(**options: object) -> float:
                return median(arguments.repeats, lambda n: collection.search(code=asked[n % 100], **options))

            answers = collection.search_codes(asked, into=None, output_fields=[])
            distances = np.sort(np.bitwise_count(asked[:, None] ^ codes[None]).sum(axis=2), axis=1)
            assert [[hit.distance for hit in hits] for hits in answers] == distances[:, :10].tolist()
            result = {
                "benchmark": "lite",
                "milvus_lite": lite.version(),
                "rows": arguments.rows,
                "written_rows_per_s": round(arguments.rows / written),
                "open_and_search_s": round(opened, 2),
                "search_right_after_writing_ms": fresh,
                "search_ms": search(into=None),
                "search_modality_ms": search(),
                "search_filter_ms": search(filter="price < 50"),
                "search_limit_1000_ms": search(limit=1000, output_fields=[]),
                "search_100_ms": median(5, lambda n: collection.search_codes(asked)),
                "within_ms": median(5, lambda n: collection.within(6, code=asked[n])),
                "get_ms": median(arguments.repeats, lambda n: collection.get([str(n)])),
                "count_ms": median(5, lambda n: collection.count()),
                "count_filter_ms": median(5, lambda n: collection.count(filter="price < 50")),
                "memory_mb": round(resident() - before),
                "disk_mb": round(sum(one.stat().st_size for one in Path(folder).rglob("*") if one.is_file()) / 1e6, 1),
            }
    print(json.dumps(result))


def median(repeats: int, call: Callable[[int], object]) -> float:
    """Milliseconds of a call; the first one is not counted."""
    seconds = []
    for repeat in range(repeats + 1):
        started = time.perf_counter()
        call(repeat)
        seconds.append(time.perf_counter() - started)
    return round(1000 * statistics.median(seconds[1:]), 2)


def resident() -> float:
    """MB of this process and of those that it started."""
    process = psutil.Process()
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6


if __name__ == "__main__":
    main()

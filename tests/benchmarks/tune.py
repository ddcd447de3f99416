"""What ``tune`` finds: recall on fresh queries, and the time of the fitted search against BIN_FLAT's.

Clustered codes are written to a server of its own, and the collection is tuned to the first recall; the index is then
kept, and searches are fitted to the other recalls. Each time 500 queries from the same generator, none of them stored,
ask it; their exact answers are numpy's.

    python tests/benchmarks/tune.py --rows 1000000 --bits 64
    python tests/benchmarks/tune.py --rows 10000000 --bits 64 --lists 1024 --picture curve.png
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from backends import backend_uri, clustered_codes, encoder_of, settle
from numpy.typing import NDArray

from milvus_hash import HashCollection
from milvus_hash.cli.options import quieten_pymilvus
from milvus_hash.codes import hamming
from milvus_hash.query.nearest import nearest
from milvus_hash.query.scope import Scope
from milvus_hash.tuning import tune
from milvus_hash.tuning.picture import draw

_BATCH = 50_000
_BLOCK = 100_000
_QUERIES = 500
_TIMED = 100


def fill(collection: HashCollection, codes: NDArray[np.uint8]) -> None:
    """Plain inserts of large batches: three times as fast as upserts, and all keys are new."""
    for start in range(0, len(codes), _BATCH):
        rows = [
            {"pk": f"{n:09}#image#0", "item": f"{n:09}", "modality": "image", "ordinal": 0, "code": code.tobytes()}
            for n, code in enumerate(codes[start : start + _BATCH], start=start)
        ]
        collection.table.connection.call("writing", "insert", collection.name, rows, partition_name="image")


def bounds(queries: NDArray[np.uint8], codes: NDArray[np.uint8], limit: int) -> NDArray[np.uint16]:
    """Distance of the ``limit``-th nearest code ``(q,)``."""
    best = np.empty((len(queries), 0), dtype=np.uint16)
    for start in range(0, len(codes), _BLOCK):
        best = np.hstack([best, hamming(queries, codes[start : start + _BLOCK])])
        best = np.partition(best, limit - 1, axis=1)[:, :limit]
    return best.max(axis=1)


def recall(collection: HashCollection, queries: NDArray[np.uint8], last: NDArray[np.uint16], limit: int) -> float:
    found = [
        hits for n in range(0, len(queries), 50) for hits in collection.search_codes(queries[n : n + 50], limit=limit)
    ]
    near = [sum(hit.distance <= bound for hit in hits) for hits, bound in zip(found, last, strict=True)]
    return float(np.mean(near)) / limit


def unfiltered_ms(collection: HashCollection, queries: NDArray[np.uint8], limit: int) -> float:
    """Median of a search without the filter on the modality, which looks at every row on Milvus 2.3."""
    times = []
    for code in queries[:_TIMED]:
        started = time.perf_counter()
        collection.table.run(nearest(collection.table.target, code[None], Scope(), limit=limit))
        times.append(time.perf_counter() - started)
    return round(1000 * statistics.median(times), 3)


def measure(arguments: argparse.Namespace) -> None:
    codes = clustered_codes(arguments.rows, arguments.bits)
    queries = clustered_codes(_QUERIES, arguments.bits, seed=1)
    names = {"benchmark": "tune", "rows": arguments.rows, "bits": arguments.bits, "limit": arguments.limit}
    with backend_uri("server") as uri, encoder_of(arguments.bits) as encoder:
        collection = HashCollection.create("tune", encoder, uri=uri, timeout=600, index="BIN_FLAT")
        started = time.perf_counter()
        fill(collection, codes)
        settle(collection, arguments.rows)
        names["write_s"] = round(time.perf_counter() - started, 1)
        last = bounds(queries, codes, arguments.limit)
        collection.search_codes(queries[:10])
        flat_ms = unfiltered_ms(collection, queries, arguments.limit)
        for number, asked in enumerate(arguments.recall):
            started = time.perf_counter()

            def say(remark: str, started: float = started) -> None:
                print(f"{time.perf_counter() - started:7.1f} s  {remark}", file=sys.stderr)

            tuning = tune(
                collection,
                recall=asked,
                limit=arguments.limit,
                queries=arguments.queries,
                keep_index=number > 0,
                lists=arguments.lists,
                progress=say,
            )
            fitted_ms = unfiltered_ms(collection, queries, arguments.limit)
            result = {
                "asked": asked,
                "held_out": tuning.chosen.recall,
                "fresh": round(recall(collection, queries, last, arguments.limit), 4),
                "index": tuning.chosen.index.kind,
                **tuning.chosen.index.build,
                **tuning.chosen.index.search,
                "exact": tuning.exact.index.kind,
                "exact_ms": tuning.exact.milliseconds,
                "tuned_ms": tuning.chosen.milliseconds,
                "times": round(tuning.exact.milliseconds / tuning.chosen.milliseconds, 2),
                "flat_unfiltered_ms": flat_ms,
                "tuned_unfiltered_ms": fitted_ms,
                "times_unfiltered": round(flat_ms / fitted_ms, 2),
                "segments": len(collection.table.connection.call("looking", "list_persistent_segments", "tune")),
                "tune_s": round(time.perf_counter() - started, 1),
            }
            print(json.dumps({**names, **result}), flush=True)
            if arguments.picture and not number:
                draw(tuning, arguments.picture)
        collection.drop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--queries", type=int, default=4000)
    parser.add_argument("--recall", type=float, nargs="+", default=[0.99, 0.95])
    parser.add_argument("--lists", type=int, nargs="+", help="numbers of lists to try")
    parser.add_argument("--picture", type=Path, help="of the first recall's curve")
    quieten_pymilvus()
    measure(parser.parse_args())


if __name__ == "__main__":
    main()

"""Answers against brute force in numpy, ties included: zero differences are expected.

For every query three answers are compared with the distances to all codes: the distances of the plain top-k, the hits
of a complete top-k, and the hits within a radius. Limits and radii differ from query to query; a radius is chosen so
that it has 1 to 1000 hits, and 20,000 for one query in fifty, which is more than one search of Milvus returns. The
codes are clustered, so that nearly every distance is tied. One row in a hundred is written twice, and the last tenth
of the rows stays in a segment without an index. Some rows (--crowd) have one and the same code, which one query
in a hundred asks for.

    python tests/benchmarks/exact.py --backend both --rows 1000000 --queries 1000
    python tests/benchmarks/exact.py --backend server --index BIN_IVF_FLAT --rows 1000000 --queries 1000
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator

import numpy as np
from backends import BACKENDS, backend_uri, clustered_codes, encoder_of, settle
from numpy.typing import NDArray

from milvus_hash import CodeRow, Encoder, HashCollection, Hit, codes

LIMITS = (1, 10, 100)
RANKS = (1, 10, 100, 1000)
CROWDED_RANK = 20_000
TOGETHER = 10  # queries asked together


def write(collection: HashCollection, data: NDArray[np.uint8]) -> float:
    """Write all codes, the last tenth after the others are sealed; returns seconds of writing."""
    seconds = 0.0
    sealed = len(data) * 9 // 10
    for some in (range(sealed), range(0, sealed, 100), range(sealed, len(data))):
        start = time.perf_counter()
        collection.add_codes(CodeRow(f"{n:08}", "image", 0, data[n]) for n in some)
        seconds += time.perf_counter() - start
        if some.start == 0 and some.step == 1:
            settle(collection, sealed)
    assert collection.count() == len(data)
    return seconds


def is_equal(hits: list[Hit], distances: NDArray[np.uint16], radius: int) -> bool:
    """Whether the hits are all rows up to the radius, ordered by (distance, item)."""
    rows = np.flatnonzero(distances <= radius)
    rows = rows[np.argsort(distances[rows], kind="stable")]
    return [(int(hit.item), hit.distance) for hit in hits] == list(zip(rows, distances[rows], strict=True))


def batches(
    data: NDArray[np.uint8], queries: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint16]]]:
    """Some queries and their distances to all codes at a time."""
    for start in range(0, len(queries), TOGETHER):
        some = queries[start : start + TOGETHER]
        yield some, codes.hamming(some, data)


def compare(collection: HashCollection, data: NDArray[np.uint8], queries: NDArray[np.uint8]) -> dict[str, object]:
    """How many answers differ from brute force, and the seconds of all answers of each kind."""
    wrong = {"top_k": 0, "complete_top_k": 0, "radius": 0}
    seconds = dict.fromkeys(wrong, 0.0)
    hits_within, most_hits = 0, 0
    everywhere = collection.table.target.exact_params  # so that the plain top-k of an approximate index is exact
    for number, (some, distances) in enumerate(batches(data, queries)):
        limit = LIMITS[number % len(LIMITS)]
        ordered = np.partition(distances, limit - 1, axis=1)[:, :limit]
        start = time.perf_counter()
        plain = collection.search_codes(some, limit=limit, output_fields=[], search_params=everywhere)
        middle = time.perf_counter()
        complete = collection.search_codes(some, limit=limit, output_fields=[], complete=True)
        seconds["top_k"] += middle - start
        seconds["complete_top_k"] += time.perf_counter() - middle
        for query, row in enumerate(distances):
            nearest = np.sort(ordered[query])
            wrong["top_k"] += [hit.distance for hit in plain[query]] != nearest.tolist()
            wrong["complete_top_k"] += not is_equal(complete[query], row, int(nearest[-1]))
            asked = number * TOGETHER + query
            rank = min(CROWDED_RANK if asked % 50 == 0 else RANKS[asked % len(RANKS)], len(data))
            radius = int(np.partition(row, rank - 1)[rank - 1])
            start = time.perf_counter()
            found = collection.within(radius, code=some[query], output_fields=[])
            seconds["radius"] += time.perf_counter() - start
            wrong["radius"] += not is_equal(found, row, radius)
            hits_within += len(found)
            most_hits = max(most_hits, len(found))
    return {
        "differences": wrong,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "hits_within_radius": hits_within,
        "most_hits_within_radius": most_hits,
    }


def measure(backend: str, encoder: Encoder, data: NDArray[np.uint8], queries: NDArray[np.uint8], index: str) -> object:
    with backend_uri(backend) as uri:
        index = index if backend == "server" else "BIN_FLAT"
        with HashCollection.create("exact", encoder, uri=uri, index=index, timeout=300) as collection:
            written = write(collection, data)
            start = time.perf_counter()
            result = compare(collection, data, queries)
            print(backend, result, f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
            collection.drop()
    return {"index": index, "write_seconds": round(written, 1), **result}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=BACKENDS, default="both")
    parser.add_argument("--index", default="BIN_FLAT", help="of the server's collection; BIN_FLAT or BIN_IVF_FLAT")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--crowd", type=int, default=20_000, help="of the rows, how many have one and the same code")
    arguments = parser.parse_args()
    data = clustered_codes(arguments.rows, arguments.bits)
    queries = clustered_codes(arguments.queries, arguments.bits, seed=1)
    crowd = np.random.default_rng(2).permutation(arguments.rows)[: arguments.crowd]
    data[crowd] = queries[::100] = queries[0]
    with encoder_of(arguments.bits) as encoder:
        result = {
            backend: measure(backend, encoder, data, queries, arguments.index)
            for backend in BACKENDS[arguments.backend]
        }
    names = {name: getattr(arguments, name) for name in ("rows", "queries", "bits", "crowd")}
    print(json.dumps({"benchmark": "exact", **names, **result}))


if __name__ == "__main__":
    main()

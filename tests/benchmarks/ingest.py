"""Ready codes into Milvus: ``HashCollection.add_codes`` against bare ``MilvusClient.insert`` of the same rows.

Both write the same dict rows in batches of the same size into fresh, empty collections of the same schema; they
take turns. The bare client gets its rows ready made; add_codes makes them from CodeRow, checks them, and upserts.

    python tests/benchmarks/ingest.py --backend both --rows 200000
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys

import numpy as np
from backends import BACKENDS, any_encoder, backend_uri, interleaved, median_ratio

from milvus_hash import CodeRow, Encoder, HashCollection
from milvus_hash.store.limits import ROWS_WRITTEN
from milvus_hash.store.rows import to_entity


def measure(backend: str, encoder: Encoder, count: int, repeats: int) -> dict[str, float]:
    codes = np.random.default_rng(0).integers(0, 256, (count, encoder.bits // 8), dtype=np.uint8)
    rows = [
        CodeRow(f"pictures/{n // 2:07}", ("image", "text")[n % 2], 0, code, {"path": f"pictures/{n // 2:07}.png"})
        for n, code in enumerate(codes)
    ]
    entities = [to_entity(row, encoder.bits // 8, {}) for row in rows]
    with backend_uri(backend) as uri:

        def fresh(name: str) -> HashCollection:
            return HashCollection.create(name, encoder, uri=uri, timeout=120)

        collections = {name: [fresh(f"{name}_{n}") for n in range(repeats + 1)] for name in ("bare", "ours")}

        def bare(repeat: int) -> None:
            collection = collections["bare"][repeat]
            for start in range(0, count, ROWS_WRITTEN):
                batch = entities[start : start + ROWS_WRITTEN]
                collection.table.connection.client.insert(collection.name, batch, timeout=120)

        def ours(repeat: int) -> None:
            collections["ours"][repeat].add_codes(rows)

        bare(repeats)  # warm up
        ours(repeats)
        seconds = interleaved({"bare": bare, "ours": ours}, repeats)
        counts = {collection.count() for group in collections.values() for collection in group}
        assert counts == {count}, counts
        for group in collections.values():
            for collection in group:
                collection.drop()
    print(backend, {name: [round(value, 2) for value in values] for name, values in seconds.items()}, file=sys.stderr)
    return {
        "bare_rows_per_second": round(count / statistics.median(seconds["bare"])),
        "add_codes_rows_per_second": round(count / statistics.median(seconds["ours"])),
        "ratio": round(median_ratio(seconds["bare"], seconds["ours"]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=BACKENDS, default="both")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with any_encoder() as encoder:
        result = {
            backend: measure(backend, encoder, arguments.rows, arguments.repeats)
            for backend in BACKENDS[arguments.backend]
        }
        print(json.dumps({"benchmark": "ingest", "rows": arguments.rows, "bits": encoder.bits, **result}))


if __name__ == "__main__":
    main()

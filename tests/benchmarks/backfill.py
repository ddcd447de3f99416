"""Adopting a float collection: rows a second of reading the source, and of the backfill of its sidecar.

A source of unit vectors with an integer key is made with plain pymilvus and a FLAT index. Reading walks it as a
backfill does and throws the rows away; a backfill reads, encodes and writes at once, and a sync that finds nothing to
do comes last. "Beyond the read" is the rows over the seconds by which the backfill is longer than the read.

    python tests/benchmarks/backfill.py --backend server --rows 100000
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from backends import BACKENDS, backend_uri
from pymilvus import DataType, MilvusClient

from milvus_hash import Encoder
from milvus_hash.adopt import adopt, sync
from milvus_hash.adopt.learn import learn, write_vector_bundle
from milvus_hash.adopt.source import look, walk
from milvus_hash.ahead import one_ahead
from milvus_hash.store.connection import Connection

TIMEOUT = 300.0


def fill(uri: str, vectors: np.ndarray) -> None:
    client = MilvusClient(uri)
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
    params = client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="COSINE", params={})
    client.create_collection("source", schema=schema, index_params=params)
    for start in range(0, len(vectors), 5000):
        client.insert(
            "source", [{"id": start + n, "vector": row} for n, row in enumerate(vectors[start : start + 5000])]
        )
    client.flush("source", timeout=TIMEOUT)
    client.close()


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(backend: str, rows: int, width: int, bits: int) -> dict[str, float]:
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((2000, width), dtype=np.float32)
    vectors = centres[generator.integers(0, 2000, rows)]
    vectors += 0.7 * generator.standard_normal(vectors.shape, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with backend_uri(backend) as uri, tempfile.TemporaryDirectory() as folder:
        fill(uri, vectors)
        bundle = Path(folder) / "bundle"
        write_vector_bundle(bundle, learn(vectors[:5000], bits, rank=False), name="benchmark", trained_on="a sample")
        encoder = Encoder.load(bundle)
        connection = Connection(uri, timeout=TIMEOUT)

        def read() -> None:
            found = look(connection, "source", "vector")
            assert sum(len(chunk.keys) for chunk in one_ahead(walk(connection, found))) == rows

        def make() -> None:
            """An empty sidecar: what a server takes to make any collection is not the backfill's."""
            adopt("source", "vector", collection="codes", bundle_path=bundle, stop=lambda: True, uri=uri)

        def backfill() -> None:
            done = adopt("source", "vector", collection="codes", bundle_path=bundle, uri=uri, timeout=TIMEOUT)
            assert done.added == rows

        read()  # warm up
        taken = {"create": seconds(make), "read": seconds(read), "backfill": seconds(backfill)}
        taken["sync"] = seconds(lambda: sync("codes", encoder, uri=uri, timeout=TIMEOUT))
        taken["read_again"] = seconds(read)
        connection.close()
    reading = (taken["read"] + taken["read_again"]) / 2
    return {
        **{f"{name}_s": round(value, 2) for name, value in taken.items()},
        "read_rows_s": round(rows / reading),
        "backfill_rows_s": round(rows / taken["backfill"]),
        "beyond_the_read_rows_s": round(rows / max(taken["backfill"] - reading, 1e-9)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=BACKENDS, default="both")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--bits", type=int, default=256)
    args = parser.parse_args()
    result = {backend: measure(backend, args.rows, args.width, args.bits) for backend in BACKENDS[args.backend]}
    print(json.dumps({"benchmark": "backfill", "rows": args.rows, "width": args.width, "bits": args.bits, **result}))


if __name__ == "__main__":
    main()

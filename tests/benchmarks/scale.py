"""Memory and time against the number of rows: codes on Milvus Lite and on a server, and floats for comparison.

Rows are written, sealed, indexed, released; then the server is started again, so that its memory before and after
loading the collection tells what the collection takes, without what is left over from writing. On Milvus Lite, which
loads everything, it is the process before and after the file is opened. Searches ask for 10 rows of modality
``image``, which all rows are, with the index's own defaults. The floats are 384-dimensional and are written, indexed
and searched with pymilvus alone, in a collection with nothing but an integer key beside them.

    python tests/benchmarks/scale.py --backend both --rows 100000 1000000 10000000 --bits 64 256
    python tests/benchmarks/scale.py --backend server --rows 100000 --floats FLAT IVF_FLAT HNSW --bits
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from backends import BACKENDS, clustered_codes, encoder_of, seal
from milvus_server import own_server
from pymilvus import DataType, MilvusClient

from milvus_hash import CodeRow, HashCollection

DIM = 384
TIMEOUT = 3600.0
FLOAT_INDEXES: dict[str, dict[str, Any]] = {
    "FLAT": {},
    "IVF_FLAT": {"nlist": 1024},
    "HNSW": {"M": 16, "efConstruction": 200},
}
FLOAT_SEARCH = {"FLAT": {}, "IVF_FLAT": {"nprobe": 64}, "HNSW": {"ef": 100}}
TOGETHER = (1, 10)
Search = Callable[[int, int], object]
"""Takes the number of the repeat and of the queries to ask together."""


def resident_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 1e6)


def size_mb(path: Path) -> float:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def search_ms(search: Search, repeats: int) -> dict[str, float]:
    found = {}
    for together in TOGETHER:
        seconds = []
        for repeat in range(repeats + 5):
            start = time.perf_counter()
            search(repeat, together)
            seconds.append(time.perf_counter() - start)
        found[f"search_ms_nq{together}"] = round(1000 * statistics.median(seconds[5:]), 2)
    return found


def code_rows(bits: int, count: int) -> Iterator[CodeRow]:
    for start in range(0, count, 100_000):
        codes = clustered_codes(min(100_000, count - start), bits, seed=start)
        for n, code in enumerate(codes, start):
            yield CodeRow(f"{n:08}", "image", 0, code)


def code_search(collection: HashCollection) -> Search:
    queries = clustered_codes(200, collection.bits, seed=1)
    return lambda repeat, together: collection.search_codes(
        np.roll(queries, repeat * together, axis=0)[:together], limit=10, output_fields=[]
    )


def float_blocks(count: int) -> Iterator[list[dict[str, Any]]]:
    """Rows of unit vectors around 2000 centres, 10,000 at a time."""
    centres = np.random.default_rng(0).standard_normal((2000, DIM), dtype=np.float32)
    for start in range(0, count, 10_000):
        generator = np.random.default_rng(start + 1)
        size = min(10_000, count - start)
        block = centres[generator.integers(0, 2000, size)]
        block += 0.7 * generator.standard_normal((size, DIM), dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        yield [{"id": start + n, "vector": row} for n, row in enumerate(block)]


def lite_codes(bits: int, count: int, repeats: int) -> dict[str, float]:
    """Codes in a file of Milvus Lite, whose process is a child of this one."""
    with tempfile.TemporaryDirectory() as folder, encoder_of(bits) as encoder:
        file, empty = f"{folder}/scale.db", f"{folder}/empty.db"
        with HashCollection.create("scale", encoder, uri=file, timeout=TIMEOUT) as collection:
            start = time.perf_counter()
            collection.add_codes(code_rows(bits, count))
            written = time.perf_counter() - start
        with HashCollection.create("scale", encoder, uri=empty):
            before = resident_mb(psutil.Process().children()[0])
        start = time.perf_counter()
        with HashCollection.open("scale", encoder, uri=file, timeout=TIMEOUT) as collection:
            loaded = time.perf_counter() - start
            found = search_ms(code_search(collection), repeats)
            after = resident_mb(psutil.Process().children()[0])
        return {
            "insert_rows_per_second": round(count / written),
            "load_seconds": round(loaded, 2),
            "collection_mb": round(after - before, 1),
            "process_mb": round(after, 1),
            "disk_mb": round(size_mb(Path(file)), 1),
            **found,
        }


def server_codes(bits: int, index: str, count: int, repeats: int) -> dict[str, float]:
    """Codes on a server."""
    with encoder_of(bits) as encoder:

        def fill(uri: str) -> float:
            with HashCollection.create("scale", encoder, uri=uri, index=index, timeout=TIMEOUT) as collection:
                start = time.perf_counter()
                collection.add_codes(code_rows(bits, count))
                return time.perf_counter() - start

        def ask(uri: str) -> dict[str, float]:
            with HashCollection.open("scale", encoder, uri=uri, timeout=TIMEOUT) as collection:
                return search_ms(code_search(collection), repeats)

        return on_server("code", count, fill, ask)


def server_floats(index: str, count: int, repeats: int) -> dict[str, float]:
    """Floats on a server."""

    def fill(uri: str) -> float:
        client = MilvusClient(uri)
        schema = MilvusClient.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
        params = client.prepare_index_params()
        params.add_index("vector", index_type=index, metric_type="IP", params=FLOAT_INDEXES[index])
        client.create_collection("scale", schema=schema, index_params=params)
        seconds = 0.0
        for block in float_blocks(count):
            start = time.perf_counter()
            client.insert("scale", block, timeout=TIMEOUT)
            seconds += time.perf_counter() - start
        client.close()
        return seconds

    def ask(uri: str) -> dict[str, float]:
        client = MilvusClient(uri)
        queries = [row["vector"] for row in next(float_blocks(1000))]
        params = {"metric_type": "IP", "params": FLOAT_SEARCH[index]}

        def search(repeat: int, together: int) -> object:
            some = [queries[(repeat * together + n) % len(queries)] for n in range(together)]
            return client.search("scale", some, limit=10, search_params=params, timeout=TIMEOUT)

        found = search_ms(search, repeats)
        client.close()
        return found

    return on_server("vector", count, fill, ask)


def on_server(
    field: str, count: int, fill: Callable[[str], float], ask: Callable[[str], dict[str, float]]
) -> dict[str, float]:
    """Fill a collection, seal and index it, start the server again, load the collection and search it."""
    with own_server() as server:
        empty = size_mb(server._folder)
        written = fill(server.uri)
        client = MilvusClient(server.uri)
        start = time.perf_counter()
        seal(client, "scale", field, count)
        indexed = time.perf_counter() - start
        client.release_collection("scale")
        client.close()
        disk = size_mb(server._folder) - empty
        server._process.terminate()  # not killed: its places in the embedded etcd would be taken for a minute
        server._process.wait(60)
        server.start()
        before = resident_mb(psutil.Process(server._process.pid))
        client = MilvusClient(server.uri)
        start = time.perf_counter()
        client.load_collection("scale", timeout=TIMEOUT)
        loaded = time.perf_counter() - start
        client.close()
        found = ask(server.uri)
        after = resident_mb(psutil.Process(server._process.pid))
    return {
        "insert_rows_per_second": round(count / written),
        "index_seconds": round(indexed, 1),
        "load_seconds": round(loaded, 2),
        "collection_mb": round(after - before, 1),
        "process_mb": round(after, 1),
        "disk_mb": round(disk, 1),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=BACKENDS, default="both")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--bits", type=int, nargs="*", default=[64, 256])
    parser.add_argument("--index", nargs="*", default=["BIN_FLAT", "BIN_IVF_FLAT"], help="of the server's codes")
    parser.add_argument(
        "--floats", nargs="*", default=[], choices=FLOAT_INDEXES, help="indexes of floats, on the server"
    )
    parser.add_argument("--repeats", type=int, default=100)
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []

    def note(names: dict[str, Any], figures: dict[str, float]) -> None:
        results.append({**names, **figures})
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)  # a long run may be cut off

    repeats = arguments.repeats
    for rows, backend in product(arguments.rows, BACKENDS[arguments.backend]):
        for bits in arguments.bits:
            for index in ["BIN_FLAT"] if backend == "lite" else arguments.index:
                lite = backend == "lite"
                figures = lite_codes(bits, rows, repeats) if lite else server_codes(bits, index, rows, repeats)
                note({"backend": backend, "bits": bits, "index": index, "rows": rows}, figures)
        for index in arguments.floats if backend == "server" else ():
            figures = server_floats(index, rows, repeats)
            note({"backend": backend, "floats": DIM, "index": index, "rows": rows}, figures)
    print(json.dumps({"benchmark": "scale", "results": results}))


if __name__ == "__main__":
    main()

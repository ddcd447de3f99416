"""What ``HashCollection.search`` adds to a bare ``MilvusClient.search`` with the same arguments, one query a call.

Both ask the same collection for the same ready code: same filter, limit, output fields, index parameters and
consistency. They take turns. pymilvus decodes fields when they are first looked at, so that there are two bare sides:
one that never looks at its answer, and one that reads key, distance and fields of every row. With rescoring the bare
side fetches the same and reads it: a server returns the codes of ``oversample * limit`` rows with the search, Milvus
Lite is asked for them by a second call.

    python tests/benchmarks/overhead.py --backend both --rows 100000
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from backends import BACKENDS, backend_uri, clustered_codes, encoder_of, interleaved, median_ratio, settle

from milvus_hash import CodeRow, Encoder, HashCollection
from milvus_hash.query.filters import rows_of_modality
from milvus_hash.query.quoting import one_of
from milvus_hash.question import Query

Call: TypeAlias = Callable[[int], object]

LIMIT, OVERSAMPLE = 10, 4
QUERIES = 100


def pairs(collection: HashCollection, codes: list[bytes], queries: list[Query]) -> list[dict[str, Call]]:
    """The calls that take turns: plain ones, and those with rescoring."""
    client = collection.table.connection.client
    params = {"metric_type": "HAMMING", "params": dict(collection.table.target.params)}
    images = rows_of_modality(collection.table.target, "image", "")  # the same condition, made once

    def unread(repeat: int, limit: int = LIMIT, fields: tuple[str, ...] = ("$meta",)) -> Any:
        return client.search(
            collection.name,
            [codes[repeat % QUERIES]],
            **images,
            limit=limit,
            output_fields=list(fields),
            search_params=params,
            anns_field="code",
            consistency_level="Session",
            timeout=30,
        )

    def bare(repeat: int, limit: int = LIMIT, fields: tuple[str, ...] = ("$meta",)) -> list[tuple[Any, ...]]:
        (found,) = unread(repeat, limit, fields)
        return [(row.id, row["distance"], row["entity"]) for row in found]

    def search(repeat: int) -> object:
        return collection.search(code=codes[repeat % QUERIES], limit=LIMIT)

    def bare_and_fetch(repeat: int) -> object:
        if not collection.table.target.lite:
            return bare(repeat, LIMIT * OVERSAMPLE, ("$meta", "code"))
        keys = [key for key, _, _ in bare(repeat, limit=LIMIT * OVERSAMPLE)]
        found = client.query(
            collection.name,
            filter=one_of("pk", keys, lite=True),
            output_fields=["pk", "code"],
            consistency_level="Session",
            timeout=30,
        )
        return [(row["pk"], row["code"]) for row in found]

    def rescored(repeat: int) -> object:
        return collection.search(query=queries[repeat % QUERIES], limit=LIMIT, rescore=True, oversample=OVERSAMPLE)

    plain: dict[str, Call] = {"unread": unread, "bare": bare, "search": search}
    return [plain, {"bare_and_fetch": bare_and_fetch, "rescored": rescored}]


def measure(backend: str, encoder: Encoder, index: str, count: int, repeats: int) -> dict[str, object]:
    data = clustered_codes(count, encoder.bits)
    asked = clustered_codes(QUERIES, encoder.bits, seed=1)
    generator = np.random.default_rng(0)
    logits = generator.random((QUERIES, encoder.bits), dtype=np.float32) * (np.unpackbits(asked, axis=1) * 2.0 - 1)
    queries = [Query(code, row.astype(np.float32)) for code, row in zip(asked, logits, strict=True)]
    index = index if backend == "server" else "BIN_FLAT"
    seconds: dict[str, list[float]] = {}
    with (
        backend_uri(backend) as uri,
        HashCollection.create("overhead", encoder, uri=uri, index=index, timeout=300) as collection,
    ):
        collection.add_codes(
            CodeRow(f"{n // 2:07}", ("image", "text")[n % 2], 0, code, {"path": f"{n // 2:07}.png"})
            for n, code in enumerate(data)
        )
        settle(collection, count)
        for calls in pairs(collection, [code.tobytes() for code in asked], queries):
            interleaved(calls, 50)  # warm up
            seconds |= interleaved(calls, repeats)
        collection.drop()

    def overhead(ours: str, bare: str) -> float:
        return round(100 * (median_ratio(seconds[ours], seconds[bare]) - 1), 1)

    return {
        "index": index,
        "milliseconds": {name: round(1000 * statistics.median(values), 3) for name, values in seconds.items()},
        "overhead_percent": overhead("search", "unread"),
        "overhead_of_reading_percent": overhead("search", "bare"),
        "rescored_overhead_percent": overhead("rescored", "bare_and_fetch"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=BACKENDS, default="both")
    parser.add_argument("--index", default="BIN_FLAT", help="of the server's collection; BIN_FLAT or BIN_IVF_FLAT")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=1000)
    arguments = parser.parse_args()
    with encoder_of(arguments.bits) as encoder:
        result = {
            backend: measure(backend, encoder, arguments.index, arguments.rows, arguments.repeats)
            for backend in BACKENDS[arguments.backend]
        }
    print(json.dumps({"benchmark": "overhead", "rows": arguments.rows, "bits": arguments.bits, **result}))


if __name__ == "__main__":
    main()

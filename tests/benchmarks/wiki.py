"""The Wiki features: a check of the metric, and DSMHN's heads against CCA-ITQ at equal bits.

    python tests/benchmarks/wiki.py FOLDER

FOLDER holds ``wikiData.mat`` and ``raw_features_tfidf.mat`` (Rasiwasia et al., ACM MM 2010; needs scipy): 2,173 pairs
to train on and 693 to test, 10 labels; pictures are 128 numbers (SIFT), texts 10 (LDA topics), 1,000 (tf-idf), or both.

1. Plain CCA, 8 components, cosine, test against test, must give mAP 0.243 and 0.197, each within 0.01.
2. DSMHN's streams on these features, trained with its own objective, against CCA-ITQ at 16 to 128 bits. Queries are the
   test split; the database is the train split, or the test split itself. CCA of 10 topics has 9 components only, so
   CCA-ITQ gets its bits from kernel features (random Fourier features of both sides), or from tf-idf; kernel, ridge and
   weights are those with the best mAP on a held-out tenth of the training pairs at 64 bits, for each kind of texts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from milvus_hash.codes import pack
from milvus_hash.evaluate.metrics import average_precision, mean
from milvus_hash.evaluate.ranking import rank_codes, rank_scores, same_item
from milvus_hash.projections.cca import fit_cca
from milvus_hash.projections.itq import fit_itq
from milvus_hash_export.methods.base import Batch
from milvus_hash_export.methods.dsmhn import DSMHN, DSMHNOptions
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.stream import Stream

BITS = (16, 32, 64, 128)
# Chosen on a held-out fifth of the training pairs, for LDA; ten labels and no captions: own pairs do not help here.
OPTIONS = DSMHNOptions(
    hidden=512,
    input_dropout=0.2,
    dropout=0.5,
    similarity_weight=8.0,
    intra_weight=4.0,
    pair_weight=0.0,
    balance_weight=0.1,
)
EPOCHS, BATCH, RATE, DECAY = 80, 128, 1e-3, 1e-2
FOURIER = 500  # kernel features of either side


@dataclass(frozen=True)
class Side:
    """Pictures, texts and labels of one split."""

    x: np.ndarray
    y: np.ndarray
    labels: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Side:
        return Side(self.x[rows], self.y[rows], self.labels[rows])


def read(folder: Path, texts: str) -> tuple[Side, Side]:
    """Train and test split; texts are ``lda``, ``tfidf`` or ``both``."""
    from scipy.io import loadmat

    labels, features = loadmat(folder / "wikiData.mat"), loadmat(folder / "raw_features_tfidf.mat")

    def side(split: str) -> Side:
        lda, tfidf = features[f"T_{split}"], features[f"T_tfidf_{split}"]
        y = {"lda": lda, "tfidf": tfidf, "both": np.hstack([np.sqrt(lda), tfidf])}[texts]
        return Side(features[f"I_{split}"], y, labels[f"L_{split}"].ravel())

    return side("tr"), side("te")


def codes_map(queries: np.ndarray, items: np.ndarray, query_labels: np.ndarray, labels: np.ndarray) -> float:
    ranking = rank_codes(pack(queries), pack(items), same_item(query_labels, labels))
    return mean(average_precision(ranking))


def both_ways(queries: Side, items: Side) -> tuple[float, float]:
    """MAP image to text and text to image of numbers whose signs are the codes."""
    return (
        codes_map(queries.x, items.y, queries.labels, items.labels),
        codes_map(queries.y, items.x, queries.labels, items.labels),
    )


def check_metric(folder: Path) -> tuple[float, float]:
    """Plain CCA, test against test, by cosine."""
    train, test = read(folder, "lda")
    cca = fit_cca(train.x, train.y, ridge=1e-6)
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (cca.x(test.x)[:, :8], cca.y(test.y)[:, :8]))
    relevance = same_item(test.labels, test.labels)

    def figure(a: np.ndarray, b: np.ndarray) -> float:
        rankings = rank_scores(lambda rows: a[rows] @ b.T, len(a), len(b), relevance)
        return mean(np.concatenate([average_precision(ranking) for ranking in rankings]))

    return figure(x, y), figure(y, x)


def standard(train: Side) -> Callable[[Side], Side]:
    """Square roots (bags of words are compared better so), then zero mean and unit variance on the train split."""
    x, y = np.sqrt(train.x), np.sqrt(train.y)

    def scale(side: Side) -> Side:
        new = [(np.sqrt(v) - known.mean(0)) / (known.std(0) + 1e-6) for v, known in ((side.x, x), (side.y, y))]
        return replace(side, x=new[0], y=new[1])

    return scale


def fourier(train: Side, seed: int = 0) -> Callable[[Side], Side]:
    """Random Fourier features of an RBF kernel as wide as the median distance (Rahimi and Recht, NIPS 2007)."""
    random = np.random.default_rng(seed)

    def view(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        a, b = values[random.permutation(len(values))[:500]], values[random.permutation(len(values))[:500]]
        width = np.median(np.linalg.norm(a - b, axis=1))
        directions = random.standard_normal((values.shape[1], FOURIER)) / width
        phases = random.uniform(0, 2 * np.pi, FOURIER)
        return lambda v: np.cos(v @ directions + phases)

    x, y = view(train.x), view(train.y)
    return lambda s: replace(s, x=x(s.x), y=y(s.y))


def cca_itq(train: Side, bits: int, ridge: float, power: float) -> Callable[[Side], Side] | None:
    cca = fit_cca(train.x, train.y, ridge=ridge)
    if len(cca.correlations) < bits:
        return None
    weights = cca.correlations[:bits] ** power
    maps = [lambda v: cca.x(v)[:, :bits] * weights, lambda v: cca.y(v)[:, :bits] * weights]
    rotation, _ = fit_itq(np.concatenate([maps[0](train.x), maps[1](train.y)]))
    return lambda s: replace(s, x=maps[0](s.x) @ rotation, y=maps[1](s.y) @ rotation)


def best_variant(train: Side, bits: int = 64) -> tuple[bool, float, float]:
    """Kernel or not, ridge and power with the best mAP on a held-out tenth."""
    held = np.random.default_rng(0).random(len(train.labels)) < 0.1
    fitted, found = train[~held], {}
    for kernel, ridge, power in product((False, True), (1e-2, 1e-1, 1.0), (0, 2, 4)):
        prepare = preparation(fitted, kernel)
        model = cca_itq(prepare(fitted), bits, ridge, power)
        if model:
            found[kernel, ridge, power] = sum(both_ways(model(prepare(train[held])), model(prepare(fitted))))
    return max(found, key=lambda key: found[key])


def preparation(train: Side, kernel: bool) -> Callable[[Side], Side]:
    scale = standard(train)
    if not kernel:
        return scale
    expand = fourier(scale(train))
    return lambda s: expand(scale(s))


def train_dsmhn(train: Side, seed: int = 0) -> Callable[[Side], Side]:
    """Both streams with nested codes, trained on the whole train split."""
    torch.manual_seed(seed)
    prepare = standard(train)
    ready = prepare(train)
    x, y = (torch.from_numpy(v).float() for v in (ready.x, ready.y))
    labels = nn.functional.one_hot(torch.from_numpy(train.labels).long() - 1).float()
    method = DSMHN("image", stream(x.shape[1]), stream(y.shape[1]), bits=BITS, labels=labels.shape[1], options=OPTIONS)
    optimiser = torch.optim.AdamW(method.parameters(), weight_decay=DECAY)
    batches = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * batches, pct_start=0.1)
    method.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x))[: batches * BATCH].split(BATCH):
            optimiser.zero_grad()
            method(Batch(x[rows], (y[rows],), labels[rows], rows))["loss"].backward()
            optimiser.step()
            schedule.step()
    method.eval()

    @torch.inference_mode()
    def logits(s: Side) -> Side:
        s = prepare(s)
        a, b = torch.from_numpy(s.x).float(), torch.from_numpy(s.y).float()
        return replace(s, x=method.visual(a).numpy(), y=method.text(b).numpy())

    return logits


def stream(width: int) -> Stream:
    head = HashHead(width, OPTIONS.hidden, BITS[-1], input_dropout=OPTIONS.input_dropout, dropout=OPTIONS.dropout)
    return Stream(None, nn.Identity(), head, pooled=nn.Identity(), signature="wiki")


def table(folder: Path, texts: str) -> Iterator[str]:
    train, test = read(folder, texts)
    logits = train_dsmhn(train)
    test_logits, train_logits = logits(test), logits(train)
    kernel, ridge, power = best_variant(train)
    yield f"| {texts}: CCA-ITQ is {'kernel' if kernel else 'linear'}, ridge {ridge:g}, power {power} | | | | |"
    prepare = preparation(train, kernel)
    for bits in BITS:
        model = cca_itq(prepare(train), bits, ridge, power)
        assert model
        base_test, base_train = model(prepare(test)), model(prepare(train))
        for against, queries, items, base_items in (
            ("train", test_logits, train_logits, base_train),
            ("test", test_logits, test_logits, base_test),
        ):
            ours = both_ways(cut(queries, bits), cut(items, bits))
            base = both_ways(base_test, base_items)
            mark = "" if ours[0] > base[0] and ours[1] > base[1] else " (not above)"
            yield (
                f"| {texts} | {against} | {bits} | {base[0]:.3f} / {base[1]:.3f} "
                f"| {ours[0]:.3f} / {ours[1]:.3f}{mark} |"
            )


def cut(side: Side, bits: int) -> Side:
    return replace(side, x=side.x[:, :bits], y=side.y[:, :bits])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    started = time.perf_counter()
    x_to_y, y_to_x = check_metric(folder)
    print(f"plain CCA, 8 components, cosine, test against test: {x_to_y:.4f} / {y_to_x:.4f} (0.243 / 0.197)\n")
    if abs(x_to_y - 0.243) > 0.01 or abs(y_to_x - 0.197) > 0.01:
        sys.exit("the metric does not give the known figures")
    print("| texts | database | bits | CCA-ITQ image→text / text→image | DSMHN |\n|---|---|---|---|---|")
    for texts in ("lda", "tfidf", "both"):
        for line in table(folder, texts):
            print(line, flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

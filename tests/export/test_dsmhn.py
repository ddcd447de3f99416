"""DSMHN learns: it overfits 64 pairs whatever the similarity loss, on images and on video."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from milvus_hash_export.batches import Items
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.losses import SIMILARITY_LOSSES
from milvus_hash_export.methods.base import Batch, Data, shared_label
from milvus_hash_export.methods.dsmhn import DSMHN, DSMHNOptions, build_dsmhn
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.networks.text import TextCNN, WordAverage
from milvus_hash_export.validate import Validation

PAIRS, CLASSES, WIDTH = 64, 8, 32
LABELS_ONLY = {"intra_weight": 0.1, "pair_weight": 0.0, "balance_weight": 0.05}  # nothing holds items of a label apart


def make(bits=(16,), labels=CLASSES, **options):
    torch.manual_seed(0)

    def head(width):
        return HashHead(width, 64, bits[-1], input_dropout=0.0, dropout=0.0)

    trunk = TextCNN(torch.randn(200, 16), filters=8)
    visual = Stream(nn.Identity(), nn.Identity(), head(WIDTH), pooled=nn.Identity(), signature="")
    text = Stream(None, trunk, head(trunk.width), pooled=WordAverage(nn.Embedding(200, 16)), signature="")
    settings = DSMHNOptions(**(LABELS_ONLY | options))
    return DSMHN("image", visual, text, bits=bits, labels=labels, options=settings).train()


def data(labels=CLASSES):
    """Random pictures and texts: nothing but memory links them to their labels."""
    torch.manual_seed(1)
    ids = torch.randint(1, 200, (PAIRS, 6))
    classes = torch.arange(PAIRS) % CLASSES
    told = nn.functional.one_hot(classes, CLASSES).float() if labels else torch.zeros(PAIRS, 0)
    return Batch(torch.randn(PAIRS, WIDTH), (ids, torch.ones_like(ids)), told, torch.arange(PAIRS))


def fit(method, batch, steps=300):
    optimiser = torch.optim.Adam((p for p in method.parameters() if p.requires_grad), lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        method(batch)["loss"].backward()
        optimiser.step()
    method.eval()
    with torch.inference_mode():
        u, v = method.visual.from_features(batch.visual), method.text.from_features(*batch.text)
    return torch.sign(u), torch.sign(v)


def separated(u, v, similar):
    """Share of the anchors whose similar items all lie nearer than any other."""
    score = u @ v.T
    worst = score.masked_fill(similar == 0, torch.inf).amin(1)
    best = score.masked_fill(similar == 1, -torch.inf).amax(1)
    return (worst > best).float().mean().item()


def mean_average_precision(method, batch):
    count = torch.ones(PAIRS, dtype=torch.int64)
    items = Items(
        [str(i) for i in range(PAIRS)],
        batch.visual[:, None].numpy(),
        np.arange(PAIRS),
        batch.text,
        torch.arange(PAIRS),
        count,
        batch.labels,
    )
    return Validation(items).figure(method)


def test_overfits_64_pairs_with_its_defaults():
    batch, method = data(), make(bits=(16, 32, 64), **{name: getattr(DSMHNOptions(), name) for name in LABELS_ONLY})
    assert mean_average_precision(method, batch) < 0.5
    fit(method, batch)
    assert mean_average_precision(method, batch) > 0.99


@pytest.mark.parametrize("similarity", SIMILARITY_LOSSES)
def test_every_similarity_loss_overfits_64_pairs(similarity):
    batch, method = data(), make(bits=(32,), similarity=similarity)
    fit(method, batch)
    assert mean_average_precision(method, batch) > 0.99


def test_every_trained_length_is_a_code():
    batch = data()
    u, v = fit(make(bits=(8, 16, 32)), batch)
    for length in (8, 16, 32):
        assert separated(u[:, :length], v[:, :length], shared_label(batch.labels)) > 0.9


def test_own_pairs_are_found_among_items_of_one_label():
    batch = data()
    own = torch.eye(PAIRS)
    assert separated(*fit(make(bits=(64,)), batch), own) < 0.5
    defaults = DSMHNOptions()
    u, v = fit(make(bits=(64,), intra_weight=0.0, pair_weight=1.0, balance_weight=defaults.balance_weight), batch)
    assert separated(u, v, own) > 0.9


def test_without_labels_a_pair_is_like_itself_only():
    batch = data(labels=0)
    # one similar pair in 64: the hinge weighs both kinds alike
    method = make(similarity="cosine_hinge", labels=0, bits=(64,))
    assert "labels" not in method(batch)
    assert torch.equal(shared_label(batch.labels), torch.eye(PAIRS))
    u, v = fit(method, batch)
    assert separated(u, v, torch.eye(PAIRS)) > 0.9


def test_items_whose_labels_are_missing_do_not_count_as_having_none():
    batch, method = data(), make().eval()
    known = torch.arange(PAIRS) < 40
    some = Batch(batch.visual, batch.text, batch.labels * known[:, None], batch.items)
    only = Batch(batch.visual[known], tuple(t[known] for t in batch.text), batch.labels[known], batch.items[known])
    nothing = Batch(batch.visual, batch.text, batch.labels * 0, batch.items)
    with torch.inference_mode():
        assert float(method(some)["labels"]) == pytest.approx(float(method(only)["labels"]), rel=1e-5)
        assert float(method(nothing)["labels"]) == 0.0


def test_the_loss_is_the_weighted_sum_of_its_terms():
    weights = {
        "similarity": 2.0, "intra": 3.0, "label": 0.5, "pair": 0.75, "quantisation": 0.25, "balance": 0.125,
        "decorrelation": 1.5,
    }  # fmt: skip
    with torch.inference_mode():
        terms = make(**{f"{name}_weight": weight for name, weight in weights.items()})(data())
    total = sum(
        weights["label" if name == "labels" else name] * float(t) for name, t in terms.items() if name != "loss"
    )
    assert terms.keys() - {"loss"} == {"labels" if name == "label" else name for name in weights}
    assert float(terms["loss"]) == pytest.approx(total, rel=1e-5)


def test_what_learns_slowly():
    """The tail of the backbone and, where it learns, the word table; a starting copy of the table stays."""
    table = torch.randn(9, 6)
    data = Data("image", 5, 2, table)
    frozen = build_dsmhn(TrainConfig(image_size=32), data, weights="random")
    assert list(frozen.pretrained()) == []
    assert frozen.text.pooled.embedding is frozen.text.trunk.embedding
    learning = build_dsmhn(TrainConfig(image_size=32, unfreeze=1, train_embeddings=True), data, weights="random")
    slow = {id(p) for p in learning.pretrained()}
    assert id(learning.text.trunk.embedding.weight) in slow
    assert {id(p) for p in learning.visual.trunk.parameters()} < slow
    assert learning.text.pooled.embedding.weight is not learning.text.trunk.embedding.weight
    assert not learning.text.pooled.embedding.weight.requires_grad


def test_clips_go_through_a_video_network():
    config = TrainConfig(image_size=32, frames=4)
    method = build_dsmhn(config, Data("video", 4, 2, torch.randn(9, 6)), weights="random").eval()
    assert method.streams.keys() == {"video", "text"}
    with torch.inference_mode():
        logits = method.visual(torch.zeros(2, 4, 32, 32, 3, dtype=torch.uint8))
    assert logits.shape == (2, 64)

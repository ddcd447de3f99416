"""The method learns: it overfits 64 pairs whatever the similarity loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from milvus_hash.errors import InputError
from milvus_hash_export.losses import SIMILARITY_LOSSES
from milvus_hash_export.methods.dsmhn import DSMHN, Batch, Weights, shared_label
from milvus_hash_export.networks.backbones import Backbone
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.image import ImageHash
from milvus_hash_export.networks.text import TextHash, text_width

PAIRS, CLASSES, WIDTH = 64, 8, 32
LABELS_ONLY = Weights(intra=0.1, pair=0.0, balance=0.05)  # nothing that holds items of one label apart


def head(width, bits):
    return HashHead(width, 64, bits, input_dropout=0.0, dropout=0.0)


def make(similarity="likelihood", bits=(16,), labels=CLASSES, weights=None):
    torch.manual_seed(0)
    image = ImageHash(Backbone([nn.Identity()], WIDTH, (0.0,) * 3, (1.0,) * 3), head(WIDTH, bits[-1]))
    text = TextHash(torch.randn(200, 16), head(text_width(16, 8), bits[-1]), filters=8)
    return DSMHN(image, text, bits=bits, labels=labels, similarity=similarity, weights=weights or LABELS_ONLY).train()


def data(labels=CLASSES):
    """Random pictures and texts: nothing but memory links them to their labels."""
    torch.manual_seed(1)
    ids = torch.randint(1, 200, (PAIRS, 6))
    classes = torch.arange(PAIRS) % CLASSES
    told = nn.functional.one_hot(classes, CLASSES).float() if labels else torch.zeros(PAIRS, 0)
    return Batch(torch.randn(PAIRS, WIDTH), ids, torch.ones_like(ids), told)


def fit(method, batch, steps=150):
    optimiser = torch.optim.Adam(method.parameters(), lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        method.loss(batch)["loss"].backward()
        optimiser.step()
    method.eval()
    with torch.inference_mode():
        u, v = method.image.from_features(batch.features), method.text(batch.input_ids, batch.attention_mask)
    return torch.sign(u), torch.sign(v)


def separated(u, v, similar):
    """Share of the anchors whose similar items all lie nearer than any other."""
    score = u @ v.T
    worst = score.masked_fill(similar == 0, torch.inf).amin(1)
    best = score.masked_fill(similar == 1, -torch.inf).amax(1)
    return (worst > best).float().mean().item()


@pytest.mark.parametrize("similarity", SIMILARITY_LOSSES)
def test_overfits_64_pairs(similarity):
    batch = data()
    u, v = fit(make(similarity), batch)
    assert separated(u, v, shared_label(batch.labels)) > 0.95


def test_every_trained_length_is_a_code():
    batch = data()
    u, v = fit(make(bits=(8, 16, 32)), batch)
    for length in (8, 16, 32):
        assert separated(u[:, :length], v[:, :length], shared_label(batch.labels)) > 0.9


def test_own_pairs_are_found_among_items_of_one_label():
    batch = data()
    own = torch.eye(PAIRS)
    assert separated(*fit(make(bits=(64,)), batch), own) < 0.5
    u, v = fit(make(bits=(64,), weights=Weights()), batch)
    assert separated(u, v, own) > 0.9


def test_without_labels_a_pair_is_like_itself_only():
    batch = data(labels=0)
    method = make("cosine_hinge", labels=0, bits=(64,))  # one similar pair in 64: the hinge weighs both kinds alike
    assert "labels" not in method.loss(batch)
    assert torch.equal(shared_label(batch.labels), torch.eye(PAIRS))
    u, v = fit(method, batch)
    assert separated(u, v, torch.eye(PAIRS)) > 0.9


def test_shared_label():
    labels = torch.tensor([[1.0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert shared_label(labels).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_the_loss_is_the_weighted_sum_of_its_terms():
    weights = Weights(similarity=2.0, intra=3.0, labels=0.5, quantisation=0.25, balance=0.125)
    with torch.inference_mode():
        terms = make(weights=weights).loss(data())
    total = sum(getattr(weights, name) * float(term) for name, term in terms.items() if name != "loss")
    assert float(terms["loss"]) == pytest.approx(total, rel=1e-5)


def test_an_unknown_similarity_loss_is_named():
    with pytest.raises(InputError, match="no similarity loss 'hope'"):
        make("hope")

"""The losses of Dual-Path against loops that anybody can check by hand."""

from __future__ import annotations

import math

import pytest
import torch

from milvus_hash_export.losses.instance import InstanceLoss, instance, labelled
from milvus_hash_export.losses.ranking import ranking


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def cosine(a, b):
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def told(scores, c):
    """``-log softmax(scores)_c``."""
    return -math.log(math.exp(scores[c]) / sum(math.exp(s) for s in scores))


@pytest.mark.parametrize(("n", "classes", "width"), [(1, 2, 3), (5, 9, 4)])
def test_instance(n, classes, width):
    features, items = draw(n, width), torch.randint(classes, (n,), generator=torch.Generator().manual_seed(1))
    loss = InstanceLoss(width, classes)
    total = sum(told([dot(w, features[i]) for w in loss.item.detach()], int(items[i])) for i in range(n))
    assert loss(features, items, torch.zeros(n, 0)).item() == pytest.approx(total / n, rel=1e-5)


def test_labels_as_classes():
    scores, labels = draw(4, 3), torch.tensor([[1.0, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]])
    total = 0.0
    for i in (0, 1, 3):  # the third has no labels
        own = [c for c in range(3) if labels[i, c]]
        total += sum(told(scores[i].tolist(), c) for c in own) / len(own)
    assert labelled(scores, labels).item() == pytest.approx(total / 3, rel=1e-5)


def test_one_label_a_pair_is_the_instance_loss():
    scores, items = draw(6, 5), torch.tensor([0, 4, 2, 2, 1, 3])
    labels = torch.nn.functional.one_hot(items, 5).float()
    assert labelled(scores, labels).item() == pytest.approx(instance(scores, items).item(), rel=1e-6)


def test_pairs_without_any_labels_cost_nothing():
    scores = draw(3, 4).requires_grad_()
    loss = labelled(scores, torch.zeros(3, 4))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(scores.grad, torch.zeros(3, 4))


def test_both_kinds_of_classes_are_added():
    features, items, labels = draw(4, 6), torch.arange(4), (draw(4, 3, seed=2) > 0).float()
    loss = InstanceLoss(6, 4, 3, item_weight=0.25)
    expected = 0.25 * instance(features @ loss.item.T, items) + labelled(features @ loss.label.T, labels)
    assert loss(features, items, labels).item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_prefix_meets_the_first_columns():
    features, items = draw(4, 8), torch.arange(4)
    loss = InstanceLoss(8, 4)
    short = InstanceLoss(3, 4)
    short.item.data = loss.item.data[:, :3]
    none = torch.zeros(4, 0)
    assert torch.equal(loss(features[:, :3], items, none), short(features[:, :3], items, none))


@pytest.mark.parametrize(("n", "width"), [(2, 3), (6, 8)])
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_ranking(n, width, margin):
    f, g = draw(n, width), draw(n, width, seed=1)
    negative = torch.eye(n) == 0
    if n > 2:
        negative[0, 1] = negative[1, 0] = False  # two pairs of one label
    total = 0.0
    for a in range(n):
        own = cosine(f[a], g[a])
        others = [b for b in range(n) if negative[a, b]]
        total += max(0.0, margin - own + max(cosine(f[a], g[b]) for b in others))
        total += max(0.0, margin - own + max(cosine(f[b], g[a]) for b in others))
    assert ranking(f, g, negative, margin=margin).item() == pytest.approx(total / n, rel=1e-5)


def test_ranking_looks_at_the_hardest_negative_only():
    f = torch.eye(3)
    g = torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [0.1, 0, 1]]).requires_grad_()
    loss = ranking(f[:1].expand(3, 3), g, torch.tensor([[0, 1, 1], [0, 0, 0], [0, 0, 0]]) == 1, margin=0.5)
    loss.backward()
    assert g.grad[1].abs().sum() > 0
    assert g.grad[2].abs().sum() == 0


def test_a_pair_without_negatives_costs_nothing_and_has_finite_gradients():
    f = draw(3, 4).requires_grad_()
    loss = ranking(f, draw(3, 4, seed=1), torch.zeros(3, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(f.grad, torch.zeros(3, 4))

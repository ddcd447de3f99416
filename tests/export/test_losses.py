"""Every loss against a loop that anybody can check by hand."""

from __future__ import annotations

import math

import pytest
import torch

from milvus_hash_export.losses import (
    SIMILARITY_LOSSES,
    bit_balance,
    contrastive,
    cosine_hinge,
    likelihood,
    own_pair,
    quantisation,
    triplet,
)
from milvus_hash_export.losses.decorrelation import decorrelation
from milvus_hash_export.losses.exponential_focal import exponential_focal

SHAPES = [pytest.param(4, 4, 8, id="square"), pytest.param(3, 5, 16, id="oblong"), pytest.param(2, 2, 64, id="long")]


def draw(n, m, bits):
    generator = torch.Generator().manual_seed(n * m * bits)
    u = torch.tanh(torch.randn(n, bits, generator=generator))
    v = torch.tanh(torch.randn(m, bits, generator=generator))
    similar = (torch.rand(n, m, generator=generator) < 0.4).float()
    similar[0, 0], similar[0, 1] = 1.0, 0.0  # at least one pair of each kind
    return u, v, similar


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def cosine(a, b):
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


@pytest.mark.parametrize(("n", "m", "bits"), SHAPES)
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_likelihood(n, m, bits, scale):
    u, v, similar = draw(n, m, bits)
    total = 0.0
    for i in range(n):
        for j in range(m):
            told = 1 / (1 + math.exp(-scale * dot(u[i], v[j]) / bits))
            total -= math.log(told if similar[i, j] else 1 - told)
    assert likelihood(u, v, similar, scale=scale).item() == pytest.approx(total / (n * m), rel=1e-4)


@pytest.mark.parametrize(("n", "m", "bits"), SHAPES)
@pytest.mark.parametrize("margin", [0.2, 0.8])
def test_cosine_hinge(n, m, bits, margin):
    u, v, similar = draw(n, m, bits)
    pull, push = [], []
    for i in range(n):
        for j in range(m):
            c = cosine(u[i], v[j])
            if similar[i, j]:
                pull.append(max(0.0, margin - c))
            else:
                push.append(max(0.0, margin + c))
    expected = (sum(pull) / len(pull) + sum(push) / len(push)) / 2
    assert cosine_hinge(u, v, similar, margin=margin).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("n", "m", "bits"), SHAPES)
@pytest.mark.parametrize("margin", [0.1, 0.4])
def test_triplet(n, m, bits, margin):
    u, v, similar = draw(n, m, bits)

    def one_way(a, b, s):
        active = []
        for anchor in range(len(a)):
            for p in range(len(b)):
                for q in range(len(b)):
                    cost = margin + cosine(a[anchor], b[q]) - cosine(a[anchor], b[p])
                    if s[anchor, p] and not s[anchor, q] and cost > 0:
                        active.append(cost)
        return sum(active) / max(len(active), 1)

    expected = (one_way(u, v, similar) + one_way(v, u, similar.T)) / 2
    assert triplet(u, v, similar, margin=margin).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("n", "m", "bits"), SHAPES)
@pytest.mark.parametrize("threshold", [0.25, 0.5])
def test_contrastive(n, m, bits, threshold):
    u, v, similar = draw(n, m, bits)
    total = 0.0
    for i in range(n):
        for j in range(m):
            distance = math.dist(u[i].tolist(), v[j].tolist())
            short = max(0.0, 2 * math.sqrt(bits * threshold) - distance)
            total += distance**2 if similar[i, j] else short**2
    expected = total / (n * m * bits)
    assert contrastive(u, v, similar, threshold=threshold).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("n", "m", "bits"), SHAPES)
@pytest.mark.parametrize(("beta", "alpha", "gamma"), [(8.0, 0.5, 2.0), (3.0, 0.8, 0.0)])
def test_exponential_focal(n, m, bits, beta, alpha, gamma):
    u, v, similar = draw(n, m, bits)
    total = 0.0
    for i in range(n):
        for j in range(m):
            p = math.exp(-beta * (1 - cosine(u[i], v[j])) / 2)
            if similar[i, j]:
                total -= alpha * (1 - p) ** gamma * math.log(p)
            else:
                total -= (1 - alpha) * p**gamma * math.log(1 - p)
    found = exponential_focal(u, v, similar, beta=beta, alpha=alpha, gamma=gamma).item()
    assert found == pytest.approx(total / (n * m), rel=1e-4)


@pytest.mark.parametrize("name", SIMILARITY_LOSSES)
def test_losses_prefer_the_right_codes(name):
    """Codes that agree exactly where items are similar cost less than codes that agree where they are not."""
    codes = torch.sign(torch.randn(6, 64, generator=torch.Generator().manual_seed(1)))
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    similar = (labels[:, None] == labels).float()
    right, wrong = codes[labels], codes[labels.roll(1)]
    loss = SIMILARITY_LOSSES[name]
    assert loss(right, right, similar) < loss(right, wrong, similar)


@pytest.mark.parametrize("name", SIMILARITY_LOSSES)
def test_gradients_are_finite_for_equal_codes(name):
    u = torch.ones(4, 16, requires_grad=True)
    SIMILARITY_LOSSES[name](u, u, torch.eye(4)).backward()
    assert torch.isfinite(u.grad).all()


def test_quantisation():
    u, _, _ = draw(3, 3, 8)
    expected = sum((1 - abs(float(x))) ** 2 for row in u for x in row) / 24
    assert quantisation(u).item() == pytest.approx(expected, rel=1e-5)
    assert quantisation(torch.sign(u)).item() == 0.0


def test_bit_balance():
    u, _, _ = draw(3, 3, 8)
    expected = sum((sum(float(u[i, k]) for i in range(3)) / 3) ** 2 for k in range(8)) / 8
    assert bit_balance(u).item() == pytest.approx(expected, rel=1e-5)
    assert bit_balance(torch.cat([u, -u])).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("n", "bits"), [(3, 4), (6, 8)])
def test_decorrelation(n, bits):
    u, _, _ = draw(n, 2, bits)
    rows = u.tolist()
    means = [sum(row[k] for row in rows) / n for k in range(bits)]
    total = 0.0
    for k in range(bits):
        for other in range(bits):
            if other != k:
                covariance = sum((row[k] - means[k]) * (row[other] - means[other]) for row in rows) / n
                total += covariance**2
    assert decorrelation(u).item() == pytest.approx(total / (bits * (bits - 1)), rel=1e-4)
    twice = torch.cat([u[:, :1], u[:, :1]], dim=1)
    assert decorrelation(twice) > decorrelation(torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]))


@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_own_pair(n, temperature):
    u, v, _ = draw(n, n, 16)
    total = 0.0
    for a, b in ((u, v), (v, u)):
        for i in range(n):
            scores = [math.exp(cosine(a[i], b[j]) / temperature) for j in range(n)]
            total -= math.log(scores[i] / sum(scores))
    assert own_pair(u, v, temperature=temperature).item() == pytest.approx(total / (2 * n), rel=1e-4)

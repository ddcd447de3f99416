"""The closed-form steps of TVDB: slow loops, brute force, and what the paper's similarities lead to."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch

from milvus_hash_export.losses.batch_codes import (
    CENTRED,
    PLAIN,
    WEIGHTINGS,
    agreement,
    binary,
    bit_coupling,
    code_step,
    code_steps,
    redundancy,
    signed_similarity,
)
from milvus_hash_export.methods.base import shared_label

ITEMS, BITS = 5, 4


def labelled(items=ITEMS, labels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return shared_label((torch.rand(items, labels, generator=generator) < 0.4).float())


def outputs(items=ITEMS, bits=BITS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.tanh(torch.randn(items, bits, generator=generator)) for _ in range(2)]


def slow_objective(b, h, f, g, s, *, lengths, eta, rho):
    """The definition, number by number, averaged over the lengths."""
    total = 0.0
    n = len(b)
    for m in lengths:
        for i, j in product(range(n), range(n)):
            inner = sum(float(b[i, k] * h[j, k]) for k in range(m))
            total += -float(s[i, j]) * inner / (n * n * m) + rho / 2 * inner**2 / (n * m) ** 2
        for i, k in product(range(n), range(m)):
            total += eta * float((b[i, k] - f[i, k]) ** 2 + (h[i, k] - g[i, k]) ** 2) / (n * m)
    return total / len(lengths)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_terms_agree_with_a_slow_loop(weighting):
    f, g = outputs()
    s = signed_similarity(labelled(), weighting)
    b, h = binary(f), binary(-g)
    terms = agreement(b, h, s) + 3 * redundancy(b, h) + 0.5 * ((b - f).square().mean() + (h - g).square().mean())
    assert float(terms) == pytest.approx(slow_objective(b, h, f, g, s, lengths=(BITS,), eta=0.5, rho=3), rel=1e-5)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_steps_of_the_paper_are_the_best_of_all_codes(weighting, seed):
    """Without repulsion: every one of the 2^(3*2) codes is tried."""
    f, g = outputs(3, 2, seed)
    s = signed_similarity(labelled(3, seed=seed), weighting)
    everything = [torch.tensor(signs).view(3, 2) for signs in product((-1.0, 1.0), repeat=6)]

    def objective(b, h):
        return slow_objective(b, h, f, g, s, lengths=(2,), eta=0.3, rho=0)

    b, h = code_steps(f, g, s, lengths=(2,), eta=0.3, steps=1)
    assert objective(b, binary(g)) == pytest.approx(min(objective(c, binary(g)) for c in everything), abs=1e-6)
    assert objective(b, h) == pytest.approx(min(objective(b, c) for c in everything), abs=1e-6)


@pytest.mark.parametrize("lengths", [(BITS,), (2, BITS)])
@pytest.mark.parametrize("seed", [0, 1])
def test_with_repulsion_each_bit_is_the_best_given_the_others(lengths, seed):
    """After the last bit of a step no other column of it would be better; before it, the others were as they were."""
    f, g = outputs(seed=seed)
    s = signed_similarity(labelled(seed=seed))
    h = binary(g)
    wanted = s @ h / ITEMS + 2 * 0.2 * f
    b = code_step(binary(f), h, wanted, 5 * bit_coupling(lengths, f))
    now = binary(f)
    for k in range(BITS):
        columns = [torch.tensor(signs) for signs in product((-1.0, 1.0), repeat=ITEMS)]
        tried = [torch.cat([now[:, :k], c.unsqueeze(1), now[:, k + 1 :]], dim=1) for c in columns]
        costs = [slow_objective(t, h, f, g, s, lengths=lengths, eta=0.2, rho=5) for t in tried]
        now[:, k] = b[:, k]
        assert slow_objective(now, h, f, g, s, lengths=lengths, eta=0.2, rho=5) == pytest.approx(min(costs), abs=1e-6)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("rho", [0.0, 4.0])
def test_no_round_raises_the_objective(weighting, rho):
    f, g = outputs(12, 8)
    s = signed_similarity(labelled(12), weighting)
    costs = []
    for steps in range(5):
        b, h = code_steps(f, g, s, lengths=(4, 8), eta=0.1, repulsion=rho, steps=steps)
        costs.append(slow_objective(b, h, f, g, s, lengths=(4, 8), eta=0.1, rho=rho))
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(costs))
    assert costs[1] < costs[0]


def test_no_steps_give_the_signs():
    f, g = outputs()
    b, h = code_steps(f, g, signed_similarity(labelled()), lengths=(BITS,), eta=1.0, steps=0)
    assert torch.equal(b, torch.sign(f))
    assert torch.equal(h, torch.sign(g))


def test_without_repulsion_a_prefix_has_the_codes_of_its_own():
    f, g = outputs(12, 8)
    s = signed_similarity(labelled(12))
    whole, _ = code_steps(f, g, s, lengths=(4, 8), eta=0.1)
    prefix, _ = code_steps(f[:, :4], g[:, :4], s, lengths=(4,), eta=0.1)
    assert torch.equal(whole[:, :4], prefix)


def test_a_batch_twice_as_large_has_the_same_objective():
    f, g = outputs(8, 8)
    labels = torch.eye(4).repeat(2, 1)
    once, twice = (signed_similarity(shared_label(x)) for x in (labels, labels.repeat(2, 1)))
    b, h = binary(f), binary(g)
    assert float(agreement(b, h, once)) == pytest.approx(float(agreement(b.repeat(2, 1), h.repeat(2, 1), twice)))
    assert float(redundancy(b, h)) == pytest.approx(float(redundancy(b.repeat(2, 1), h.repeat(2, 1))))


def test_constant_codes_win_with_the_similarities_of_the_paper_and_gain_nothing_with_centred_ones():
    """One code for all pictures and its opposite for all texts: right about the nine tenths of dissimilar pairs."""
    labels = torch.eye(10).repeat_interleave(4, dim=0)
    similar = shared_label(labels)
    told_apart = binary(labels @ torch.randn(10, 16, generator=torch.Generator().manual_seed(0)))
    constant = torch.ones(40, 16)
    plain, centred = signed_similarity(similar, PLAIN), signed_similarity(similar, CENTRED)
    assert agreement(constant, -constant, plain) < agreement(told_apart, told_apart, plain)
    assert float(agreement(constant, -constant, centred)) == pytest.approx(0, abs=1e-5)
    assert agreement(told_apart, told_apart, centred) < -0.5


def test_equal_bits_are_told_apart_by_repulsion_only():
    labels = torch.eye(6).repeat_interleave(4, dim=0)
    generator = torch.Generator().manual_seed(0)
    f = (labels @ torch.randn(6, 1, generator=generator) + 0.1 * torch.randn(24, 16, generator=generator)).tanh()
    s = signed_similarity(shared_label(labels))
    different = {}
    for rho in (0.0, 4.0):
        b, _ = code_steps(f, f, s, lengths=(16,), eta=0.1, repulsion=rho, steps=3)
        different[rho] = len({tuple(column) for column in b.T.tolist()})
    assert different[0.0] <= 2
    assert different[4.0] >= 8

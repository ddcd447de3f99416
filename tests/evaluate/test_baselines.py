"""Baselines on constructed problems: known correlations, steps that never lose, angles."""

from __future__ import annotations

import numpy as np
import pytest

from milvus_hash.errors import InputError
from milvus_hash.evaluate.baselines.measure import own_vectors, training_pairs
from milvus_hash.evaluate.dataset import EncodedSet
from milvus_hash.evaluate.floats import Score
from milvus_hash.projections.cca import fit_cca
from milvus_hash.projections.hyperplanes import hyperplanes
from milvus_hash.projections.itq import fit_itq


def two_views(n=4000, correlations=(0.9, 0.5), noise=2, seed=0):
    """Views whose canonical correlations are given, mixed by random matrices, with further directions of noise."""
    random = np.random.default_rng(seed)
    shared, a, b = random.standard_normal((3, n, len(correlations)))
    r = np.array(correlations)
    x = np.hstack([shared * np.sqrt(r) + a * np.sqrt(1 - r), random.standard_normal((n, noise))])
    y = np.hstack([shared * np.sqrt(r) + b * np.sqrt(1 - r), random.standard_normal((n, noise + 1))])
    return x @ random.standard_normal((x.shape[1],) * 2) + 7, y @ random.standard_normal((y.shape[1],) * 2) - 3


def test_cca_finds_the_correlations_that_were_put_in():
    x, y = two_views()
    cca = fit_cca(x, y, ridge=0)
    assert cca.correlations[:2] == pytest.approx([0.9, 0.5], abs=0.05)
    assert cca.correlations[2:].max() < 0.1
    assert len(cca.correlations) == min(x.shape[1], y.shape[1])


def test_cca_components_are_white_and_correlate_as_said():
    x, y = two_views(n=500)
    cca = fit_cca(x, y, ridge=0)
    a, b = cca.x(x).astype(np.float64), cca.y(y).astype(np.float64)
    np.testing.assert_allclose(a.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(a.T @ a / len(a), np.eye(4), atol=1e-3)
    np.testing.assert_allclose(a.T @ b / len(a), np.diag(cca.correlations), atol=1e-3)


def test_no_other_pair_of_directions_correlates_better():
    x, y = two_views(n=200)
    best = fit_cca(x, y, ridge=0).correlations[0]
    random = np.random.default_rng(1)
    for _ in range(300):
        a, b = x @ random.standard_normal(x.shape[1]), y @ random.standard_normal(y.shape[1])
        assert abs(np.corrcoef(a, b)[0, 1]) <= best + 1e-9


def test_ridge_lowers_the_correlations_that_few_pairs_pretend():
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 30, 20))  # nothing in common, but 20 directions each for 30 pairs
    assert fit_cca(x, y, ridge=0).correlations[0] > 0.95
    assert fit_cca(x, y, ridge=10).correlations[0] < 0.3


def test_constant_directions_give_no_components():
    x, y = two_views()
    topics = np.hstack([y, 1 - y.sum(axis=1, keepdims=True)])  # sums to one, as topics do
    assert len(fit_cca(topics, np.hstack([x, x])).correlations) == x.shape[1]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        pytest.param(np.ones((3, 2)), np.ones((2, 2)), "3 and 2 items", id="not pairs"),
        pytest.param(np.ones((1, 2)), np.ones((1, 2)), "at least 2", id="one pair"),
        pytest.param(np.ones((5, 2)), np.eye(5), "all training vectors", id="constant view"),
    ],
)
def test_views_that_cannot_be_fitted_are_refused(x, y, message):
    with pytest.raises(InputError, match=message):
        fit_cca(x, y)


def test_itq_rotates_and_never_loses():
    v = np.random.default_rng(0).standard_normal((300, 8)) * np.linspace(2, 0.2, 8)
    rotation, losses = fit_itq(v, iterations=30)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(8), atol=1e-12)
    assert (np.diff(losses) <= 1e-12).all()
    assert losses[-1] < losses[0]


def test_itq_finds_the_rotation_of_a_cube():
    """Corners of a cube, turned: the right rotation has no loss, and two dimensions have few wrong valleys."""
    random = np.random.default_rng(0)
    corners = np.where(random.standard_normal((200, 2)) > 0, 1.0, -1.0)
    turn = np.linalg.qr(random.standard_normal((2, 2)))[0]
    rotation, losses = fit_itq(corners @ turn)
    assert losses[-1] == pytest.approx(0, abs=1e-9)
    assert np.abs(corners @ turn @ rotation) == pytest.approx(1)


def test_hyperplanes_differ_as_often_as_the_angle_says():
    normals = hyperplanes(2, 20_000)
    for angle in (0.3, 1.2, 2.5):
        a, b = np.array([1.0, 0.0]) @ normals > 0, np.array([np.cos(angle), np.sin(angle)]) @ normals > 0
        assert (a != b).mean() == pytest.approx(angle / np.pi, abs=0.015)
    np.testing.assert_array_equal(hyperplanes(5, 8), hyperplanes(5, 16)[:, :8])


def encoded(items, first):
    features = np.arange(first, first + len(items), dtype=np.float32)[:, None]
    return EncodedSet(np.array(items), np.array(items), np.zeros((len(items), 1), np.uint8), {"features": features})


def test_every_text_is_paired_with_the_picture_of_its_record():
    visual, text = encoded([0, 2, 3], 0), encoded([0, 0, 1, 2], 10)  # 1 has no picture, 3 no text
    x, y = training_pairs(visual, text)
    assert x.ravel().tolist() == [0, 0, 1]
    assert y.ravel().tolist() == [10, 11, 13]
    fewer = [training_pairs(visual, text, most=2) for _ in range(2)]
    assert len(fewer[0][0]) == 2
    np.testing.assert_array_equal(fewer[0][1], fewer[1][1])


def test_own_vectors_are_those_that_rank_better():
    def entry(by, value, hit):
        return Score(by, "image->text", 8, value, (0.0, 1.0), hit, {})

    assert (
        own_vectors([entry("logits", 0.5, {}), entry("embedding", 0.6, {}), entry("rescored", 0.9, {})]) == "embedding"
    )
    nan = float("nan")
    assert own_vectors([entry("logits", nan, {10: 0.4}), entry("embedding", nan, {10: 0.3})]) == "logits"

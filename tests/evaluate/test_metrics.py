"""Every figure against slow enumeration of all orders of the ties, on inputs that small."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milvus_hash.codes import hamming
from milvus_hash.errors import InputError
from milvus_hash.evaluate import ranking as ranking_module
from milvus_hash.evaluate.metrics import (
    average_precision,
    hit_at,
    mean,
    mean_at,
    precision_at,
    precision_recall_by_radius,
    recall_at,
)
from milvus_hash.evaluate.ranking import Ranking, rank_codes, rank_scores, same_item, share_label

rankings = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


def rank(items):
    """The ranking of one query over ``items``, pairs of a distance and whether the item is relevant."""
    query = np.zeros((1, 1), dtype=np.uint8)
    codes = np.array([[(1 << distance) - 1] for distance, _ in items], dtype=np.uint8)
    relevant = np.array([[r for _, r in items]])
    return rank_codes(query, codes, lambda rows, columns: relevant[rows, columns])


def rank_matrix(scores, relevant):
    """The rankings by a matrix of scores, put together from the blocks that they come in."""
    blocks = list(rank_scores(lambda rows: scores[rows], *scores.shape, lambda rows, columns: relevant[rows, columns]))
    return Ranking(*(np.concatenate(counts) for counts in zip(*((b.items, b.relevant) for b in blocks), strict=True)))


def orders(items):
    """The relevance of the items by place, for every order of the ties, each as often as any other."""
    for order in permutations(items):
        yield [relevant for _, relevant in sorted(order, key=lambda item: item[0])]


def one_ap(places):
    precisions = [sum(places[: i + 1]) / (i + 1) for i, relevant in enumerate(places) if relevant]
    return sum(precisions) / len(precisions)


@settings(deadline=None, max_examples=60)
@given(rankings)
def test_average_precision_is_the_mean_over_all_orders_of_ties(items):
    (ap,) = average_precision(rank(items))
    if any(relevant for _, relevant in items):
        assert ap == pytest.approx(np.mean([one_ap(places) for places in orders(items)]), abs=1e-12)
    else:
        assert np.isnan(ap)


@settings(deadline=None, max_examples=60)
@given(rankings, st.integers(1, 8))
def test_figures_at_k_are_means_over_all_orders_of_ties(items, k):
    ranking = rank(items)
    total = sum(relevant for _, relevant in items)
    got = [float(figure(ranking, k)[0]) for figure in (precision_at, recall_at, hit_at)]
    if not total:
        assert np.isnan(got).all()
        return
    found = np.array([sum(places[:k]) for places in orders(items)])
    assert got == pytest.approx([found.mean() / k, found.mean() / total, (found > 0).mean()], abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(rankings)
def test_scores_give_the_figures_of_the_same_order(items):
    scores = np.array([[-float(distance) for distance, _ in items]])
    ranking = rank_matrix(scores, np.array([[relevant for _, relevant in items]]))
    np.testing.assert_allclose(average_precision(ranking), average_precision(rank(items)))
    for k in (1, 2, 5):
        np.testing.assert_allclose(hit_at(ranking, k), hit_at(rank(items), k))


def test_distinct_scores_give_textbook_average_precision():
    ranking = rank_matrix(np.array([[0.9, 0.1, 0.5, 0.3]]), np.array([[True, True, False, False]]))
    assert average_precision(ranking)[0] == pytest.approx((1 / 1 + 2 / 4) / 2)


def test_ties_are_worth_their_expectation_not_their_storage_order():
    first, last = [(1, True), (1, False)], [(1, False), (1, True)]
    assert average_precision(rank(first))[0] == average_precision(rank(last))[0] == pytest.approx(0.75)


def random_case(bits=16, queries=7, items=40):
    random = np.random.default_rng(0)
    q = random.integers(0, 256, (queries, bits // 8), dtype=np.uint8)
    d = random.integers(0, 256, (items, bits // 8), dtype=np.uint8)
    return q, d, random.random((queries, 5)) < 0.3, random.random((items, 5)) < 0.3


@pytest.mark.parametrize("block", [1, 13, 40, 95, 1 << 20])
def test_blocks_do_not_change_the_counts(block, monkeypatch):
    q, d, query_labels, item_labels = random_case()
    distances = hamming(q, d)
    relevant = np.array([[bool((a & b).any()) for b in item_labels] for a in query_labels])
    monkeypatch.setattr(ranking_module, "_BLOCK", block)
    ranking = rank_codes(q, d, share_label(query_labels, item_labels))
    for level in range(17):
        np.testing.assert_array_equal(ranking.items[:, level], (distances == level).sum(axis=1))
        np.testing.assert_array_equal(ranking.relevant[:, level], ((distances == level) & relevant).sum(axis=1))


@pytest.mark.parametrize("block", [1, 13, 1 << 20])
def test_blocks_do_not_change_the_ranking_by_scores(block, monkeypatch):
    random = np.random.default_rng(0)
    scores, relevant = random.integers(0, 5, (7, 6)).astype(float), random.random((7, 6)) < 0.4
    whole = rank_matrix(scores, relevant)
    monkeypatch.setattr(ranking_module, "_BLOCK", block)
    parts = rank_matrix(scores, relevant)
    np.testing.assert_array_equal(parts.items, whole.items)
    np.testing.assert_array_equal(parts.relevant, whole.relevant)


def test_curve_by_radius_pools_the_pairs():
    q, d, query_labels, item_labels = random_case()
    query_labels[0] = False  # a query without relevant items counts nowhere
    distances = hamming(q, d)
    relevant = np.array([[bool((a & b).any()) for b in item_labels] for a in query_labels])
    distances, relevant = distances[relevant.any(axis=1)], relevant[relevant.any(axis=1)]
    precision, recall = precision_recall_by_radius(rank_codes(q, d, share_label(query_labels, item_labels)))
    for radius in range(17):
        within = distances <= radius
        found = (within & relevant).sum()
        assert recall[radius] == pytest.approx(found / relevant.sum())
        if within.any():
            assert precision[radius] == pytest.approx(found / within.sum())
        else:
            assert np.isnan(precision[radius])


def test_queries_without_relevant_items_are_left_out_of_the_mean():
    codes = np.zeros((2, 1), dtype=np.uint8)
    ranking = rank_codes(codes, codes, same_item(np.array([0, 7]), np.array([0, 1])))
    assert ranking.has_relevant.tolist() == [True, False]
    assert mean(average_precision(ranking)) == pytest.approx(0.75)
    assert mean_at(hit_at, ranking, [1, 2]) == pytest.approx({1: 0.5, 2: 1.0})


def test_means_over_nothing_are_nan():
    codes = np.zeros((1, 1), dtype=np.uint8)
    ranking = rank_codes(codes, codes, same_item(np.array([0]), np.array([1])))
    assert np.isnan(mean(average_precision(ranking)))
    assert np.isnan(mean(recall_at(ranking, 1)))


def test_large_ties_stay_exact():
    """100,000 items at one distance: the expectation of AP is near the share of relevant ones."""
    codes = np.zeros((100_000, 8), dtype=np.uint8)
    relevant = np.arange(100_000) % 4 == 0
    ranking = rank_codes(codes[:1], codes, lambda rows, columns: relevant[None, columns])
    assert average_precision(ranking)[0] == pytest.approx(0.25, abs=1e-3)
    assert hit_at(ranking, 2)[0] == pytest.approx(1 - 0.75 * 74_999 / 99_999, abs=1e-9)


@pytest.mark.parametrize("figure", [precision_at, recall_at, hit_at])
def test_k_below_one_is_refused(figure):
    with pytest.raises(InputError, match="k is 0"):
        figure(rank([(0, True)]), 0)


def test_codes_of_two_lengths_are_refused():
    with pytest.raises(InputError, match="must agree"):
        rank_codes(np.zeros((1, 2), np.uint8), np.zeros((1, 1), np.uint8), same_item(np.array([0]), np.array([0])))

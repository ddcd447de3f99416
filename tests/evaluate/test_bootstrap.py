"""Intervals against a plain loop and a normal approximation."""

from __future__ import annotations

import numpy as np
import pytest

from milvus_hash.evaluate import bootstrap
from milvus_hash.evaluate.bootstrap import intervals


def test_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(1).random(2000)
    ((low, high),) = intervals(values[:, None], np.arange(2000))
    error = values.std() / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)


def test_queries_of_one_item_are_drawn_together():
    """Five copies of every query are no more evidence than one."""
    values = np.random.default_rng(1).random(200)
    once = intervals(values[:, None], np.arange(200))
    many = intervals(np.repeat(values, 5)[:, None], np.repeat(np.arange(200), 5))
    np.testing.assert_allclose(many, once)


def test_intervals_agree_with_a_loop():
    """Items of unequal numbers of queries, some of which have no figure."""
    values = np.array([[0.0, 1.0], [1.0, np.nan], [0.5, 0.25], [np.nan, 0.75], [1.0, 0.0]])
    items = np.array([4, 4, 7, 9, 9])
    random = np.random.default_rng(0)
    means = []
    for draw in random.integers(0, 3, (bootstrap.RESAMPLES, 3)):
        rows = np.concatenate([np.flatnonzero(items == [4, 7, 9][item]) for item in draw])
        means.append(np.nanmean(values[rows], axis=0))
    expected = np.percentile(means, [2.5, 97.5], axis=0).T
    np.testing.assert_allclose(intervals(values, items), expected)


def test_blocks_do_not_change_the_intervals(monkeypatch):
    values = np.random.default_rng(0).random((40, 3))
    whole = intervals(values, np.arange(40))
    monkeypatch.setattr(bootstrap, "_BLOCK", 100)
    np.testing.assert_allclose(intervals(values, np.arange(40)), whole)


def test_without_figures_there_is_no_interval():
    assert np.isnan(intervals(np.full((3, 1), np.nan), np.arange(3))).all()
    assert np.isnan(intervals(np.empty((0, 2)), np.empty(0, dtype=np.int64))).all()

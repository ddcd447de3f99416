"""Bit use against plain loops and numpy's own correlation."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from milvus_hash.codes import unpack
from milvus_hash.errors import InputError
from milvus_hash.evaluate import balance
from milvus_hash.evaluate.balance import bit_use


@settings(deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 2))))
def test_bit_use_agrees_with_a_loop(codes):
    use = bit_use(codes)
    columns = unpack(codes).T.astype(float)
    shares = [float(column.mean()) for column in columns]
    varying = [column for column in columns if 0 < column.mean() < 1]
    assert use.ones.tolist() == pytest.approx(shares)
    assert use.entropy.tolist() == pytest.approx(
        [-sum(p * math.log2(p) for p in (share, 1 - share) if p) for share in shares], abs=1e-12
    )
    assert use.constant == len(columns) - len(varying)
    assert use.duplicates == pytest.approx(1 - len({code.tobytes() for code in codes}) / len(codes))
    pairs = [abs(np.corrcoef(a, b)[0, 1]) for a, b in combinations(varying, 2)]
    assert use.correlation == pytest.approx(np.mean(pairs) if pairs else math.nan, nan_ok=True)


def test_blocks_do_not_change_the_figures(monkeypatch):
    codes = np.random.default_rng(0).integers(0, 256, (50, 4), dtype=np.uint8)
    whole = bit_use(codes)
    monkeypatch.setattr(balance, "_BLOCK", 7)
    parts = bit_use(codes)
    np.testing.assert_array_equal(parts.ones, whole.ones)
    assert parts.correlation == whole.correlation


def test_no_codes_are_refused():
    with pytest.raises(InputError, match="no codes"):
        bit_use(np.empty((0, 8), dtype=np.uint8))

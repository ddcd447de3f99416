"""Codes: every vectorised function against the obvious one, on arbitrary codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from milvus_hash import codes
from milvus_hash.errors import InputError

widths = st.integers(1, 33)  # bytes: all residues modulo the word sizes


@st.composite
def queries_and_codes(draw):
    width = draw(widths)
    code = arrays(np.uint8, st.tuples(st.integers(0, 5), st.just(width)))
    return draw(code), draw(code)


@given(
    arrays(np.float32, st.tuples(st.integers(0, 4), widths.map(lambda w: 8 * w)), elements=st.floats(-2, 2, width=32))
)
def test_pack_and_unpack_are_inverse_and_msb_first(logits):
    packed = codes.pack(logits)
    assert packed.dtype == np.uint8
    assert packed.shape == (logits.shape[0], logits.shape[1] // 8)
    assert np.array_equal(codes.unpack(packed), (logits > 0).astype(np.uint8))
    for row in range(len(logits)):
        first_byte = "".join("1" if v > 0 else "0" for v in logits[row, :8])
        assert packed[row, 0] == int(first_byte, 2)


@given(queries_and_codes())
def test_hamming_equals_bitwise_loop(pair):
    queries, stored = pair
    expected = [
        [sum(bin(a ^ b).count("1") for a, b in zip(q, c, strict=True)) for c in stored.tolist()]
        for q in queries.tolist()
    ]
    found = codes.hamming(queries, stored)
    assert found.shape == (len(queries), len(stored))
    assert found.tolist() == expected


def test_hamming_in_blocks_equals_hamming_in_one(monkeypatch):
    rng = np.random.default_rng(0)
    queries, stored = rng.integers(0, 256, (3, 24), dtype=np.uint8), rng.integers(0, 256, (101, 24), dtype=np.uint8)
    whole = codes.hamming(queries, stored)
    monkeypatch.setattr(codes, "_BLOCK_BYTES", 200)
    assert np.array_equal(codes.hamming(queries, stored), whole)


def test_hamming_takes_codes_that_are_not_contiguous():
    stored = np.arange(64, dtype=np.uint8).reshape(4, 16)[:, :8]
    assert codes.hamming(stored, stored).diagonal().tolist() == [0, 0, 0, 0]


@given(queries_and_codes())
def test_asymmetric_score_of_signs_is_bits_minus_twice_the_distance(pair):
    queries, stored = pair
    signs = codes.unpack(queries).astype(np.float32) * 2 - 1
    bits = stored.shape[1] * 8
    assert np.array_equal(codes.asymmetric_score(signs, stored), bits - 2.0 * codes.hamming(queries, stored))


def test_prefix_is_contiguous_and_checked():
    code = np.array([[1, 2, 3, 4]], dtype=np.uint8)
    assert codes.prefix(code, 16).tolist() == [[1, 2]]
    assert codes.prefix(code, 16).flags.c_contiguous
    for bits in (0, 12, 40, -8):
        with pytest.raises(InputError, match="between 8 and 32"):
            codes.prefix(code, bits)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(np.zeros((2, 64), dtype=np.uint8), id="bits-not-packed"),
        pytest.param(np.zeros((2, 8), dtype=bool), id="bool"),
        pytest.param(np.zeros((2, 8), dtype=np.int64), id="int64"),
        pytest.param(np.zeros((2, 8), dtype=np.float32), id="float"),
        pytest.param(np.zeros(8, dtype=np.uint8), id="one-dimension"),
        pytest.param(b"12345678", id="bytes"),
        pytest.param([[1] * 8], id="list"),
    ],
)
def test_check_refuses_what_milvus_would_store_wrongly(bad):
    with pytest.raises(InputError, match="8"):
        codes.check(bad, 64)


def test_check_makes_codes_contiguous():
    strided = np.zeros((4, 16), dtype=np.uint8)[:, ::2]
    assert codes.check(strided, 64).flags.c_contiguous


def test_mismatched_widths_are_errors():
    with pytest.raises(InputError, match="must agree"):
        codes.hamming(np.zeros((1, 8), np.uint8), np.zeros((1, 4), np.uint8))
    with pytest.raises(InputError, match="must agree"):
        codes.asymmetric_score(np.zeros((1, 8), np.float32), np.zeros((1, 4), np.uint8))
    with pytest.raises(InputError, match="multiple of 8"):
        codes.pack(np.zeros((1, 12)))

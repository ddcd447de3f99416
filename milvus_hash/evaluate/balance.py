"""How well codes use their bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import Codes, unpack
from milvus_hash.errors import InputError

_BLOCK = 1 << 16  # codes at a time; their pair counts stay exact in float32


@dataclass(frozen=True, slots=True)
class BitUse:
    """Figures of one set of codes.

    Attributes:
        codes: Number of codes.
        ones: float64 ``(bits,)``, the share of codes that have the bit set; 0.5 is balanced.
        entropy: float64 ``(bits,)``, binary entropy of that share, in bits.
        correlation: Mean absolute Pearson correlation over all pairs of bits that are not constant; NaN without any.
        constant: Number of bits that are the same in every code.
        duplicates: Share of codes that repeat another one: 1 - distinct / all.
    """

    codes: int
    ones: NDArray[np.float64]
    entropy: NDArray[np.float64]
    correlation: float
    constant: int
    duplicates: float


def bit_use(codes: Codes) -> BitUse:
    """Measure packed codes ``uint8 (n, bits // 8)``.

    Raises:
        InputError: There are no codes.

    Example:
        >>> use = bit_use(np.array([[0b1111_0000], [0b0000_1111]], dtype=np.uint8))
        >>> use.ones[0], use.entropy[0], use.correlation, use.duplicates
        (np.float64(0.5), np.float64(1.0), 1.0, 0.0)
    """
    n, bits = len(codes), codes.shape[1] * 8
    if not n:
        raise InputError("there are no codes to measure; at least 1 is needed")
    pairs = np.zeros((bits, bits))  # codes that have both bits set
    for start in range(0, n, _BLOCK):
        block = unpack(codes[start : start + _BLOCK]).astype(np.float32)
        pairs += block.T @ block
    ones = np.diag(pairs) / n
    varies = (ones > 0) & (ones < 1)
    distinct = len(np.unique(np.ascontiguousarray(codes).view(np.dtype((np.void, codes.shape[1])))))
    return BitUse(
        codes=n,
        ones=ones,
        entropy=_entropy(ones),
        correlation=_mean_correlation(pairs[np.ix_(varies, varies)] / n, ones[varies]),
        constant=int((~varies).sum()),
        duplicates=1 - distinct / n,
    )


def _entropy(share: NDArray[np.float64]) -> NDArray[np.float64]:
    def part(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return -p * np.log2(p, out=np.zeros_like(p), where=p > 0)

    return part(share) + part(1 - share)


def _mean_correlation(both: NDArray[np.float64], ones: NDArray[np.float64]) -> float:
    bits = len(ones)
    if bits < 2:
        return float("nan")
    deviation = np.sqrt(ones * (1 - ones))
    correlation = np.abs((both - np.outer(ones, ones)) / np.outer(deviation, deviation))
    return float((correlation.sum() - np.trace(correlation)) / (bits * (bits - 1)))

"""Binary codes in numpy: packing, Hamming distance, asymmetric score.

A *code* is ``uint8 (n, bits // 8)``, most significant bit first: ``np.packbits(logits > 0, axis=1)``.
A *nested code* is a prefix of a code; :func:`prefix` cuts one.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError

Codes: TypeAlias = NDArray[np.uint8]
Logits: TypeAlias = NDArray[np.float32]

_BLOCK_BYTES = 32 << 20  # temporary memory of hamming(): small enough for the cache, large enough to amortise


def pack(logits: NDArray[np.floating]) -> Codes:
    """Pack the signs of ``logits`` float ``(n, bits)`` into codes ``uint8 (n, bits // 8)``.

    A positive logit is a 1; zero and negative ones are 0.

    Raises:
        InputError: ``bits`` is not a multiple of 8, or ``logits`` is not a matrix.

    Example:
        >>> pack(np.array([[1.0, -1, -1, -1, -1, -1, -1, 0.5]])).tolist()
        [[129]]
    """
    if logits.ndim != 2 or logits.shape[1] % 8 or not logits.shape[1]:
        raise InputError(f"logits have shape {logits.shape}; (n, bits) with bits a multiple of 8 is needed")
    return np.packbits(logits > 0, axis=1)


def unpack(codes: Codes) -> NDArray[np.uint8]:
    """Unpack codes ``uint8 (n, bits // 8)`` into bits ``uint8 (n, bits)`` of 0 and 1.

    Example:
        >>> unpack(np.array([[129]], dtype=np.uint8)).tolist()
        [[1, 0, 0, 0, 0, 0, 0, 1]]
    """
    return np.unpackbits(codes, axis=1)


def prefix(codes: Codes, bits: int) -> Codes:
    """The first ``bits`` bits of every code, C-contiguous ``uint8 (n, bits // 8)``.

    Raises:
        InputError: ``bits`` is not a multiple of 8, or the codes are shorter.
    """
    have = codes.shape[1] * 8
    if bits % 8 or not 0 < bits <= have:
        raise InputError(f"cannot cut {bits} bits out of {have}; take a multiple of 8 between 8 and {have}")
    return np.ascontiguousarray(codes[:, : bits // 8])


def check(codes: object, bits: int) -> Codes:
    """Return ``codes`` if they are ``uint8 (n, bits // 8)`` and C-contiguous (copied when they are not).

    Neither pymilvus nor Milvus checks width and type of what is written, so this must.

    Raises:
        InputError: Another type, another width, or not a matrix.
    """
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8 or codes.ndim != 2:
        what = f"{codes.dtype} {codes.shape}" if isinstance(codes, np.ndarray) else type(codes).__name__
        raise InputError(
            f"codes are {what}; packed uint8 (n, {bits // 8}) is needed, as encoder.encode_texts([...]) gives them"
        )
    if codes.shape[1] * 8 != bits:
        raise InputError(
            f"codes have {codes.shape[1] * 8} bits; {bits} bits = {bits // 8} bytes are needed: encode with bits={bits}"
        )
    return np.ascontiguousarray(codes)


def check_one(code: object, bits: int) -> NDArray[np.uint8]:
    """Return ``code`` as ``uint8 (bits // 8,)`` if it is one code, or the bytes of one.

    Raises:
        InputError: As :func:`check`.
    """
    if isinstance(code, bytes | bytearray | memoryview):
        code = np.frombuffer(code, dtype=np.uint8)
    if isinstance(code, np.ndarray) and code.dtype == np.uint8 and code.ndim == 1:
        (one,) = check(code[None], bits)
        return np.asarray(one)
    what = f"{code.dtype} {code.shape}" if isinstance(code, np.ndarray) else f"a {type(code).__name__}"
    raise InputError(
        f"the code is {what}; {bits // 8} bytes or packed uint8 ({bits // 8},) is needed, as "
        "encoder.encode_texts([...])[0] gives it; words are asked for with text=..."
    )


def hamming(queries: Codes, codes: Codes) -> NDArray[np.uint16]:
    """Hamming distances ``uint16 (q, n)`` between queries ``(q, bytes)`` and codes ``(n, bytes)``.

    Raises:
        InputError: The two widths differ.

    Example:
        >>> a = np.array([[0b1111_0000]], dtype=np.uint8)
        >>> hamming(a, np.array([[0b1111_0000], [0b0000_1111]], dtype=np.uint8)).tolist()
        [[0, 8]]
    """
    width = queries.shape[1]
    if codes.shape[1] != width:
        raise InputError(f"queries have {width * 8} bits and codes {codes.shape[1] * 8}; they must agree")
    word = next(w for w in (8, 4, 2, 1) if width % w == 0)  # count bits in words as wide as the code allows
    left, right = _words(queries, word), _words(codes, word)
    out = np.empty((len(queries), len(codes)), dtype=np.uint16)
    block = max(1, _BLOCK_BYTES // max(1, len(queries) * word))
    for start in range(0, len(codes), block):
        part = right[start : start + block]
        total = np.zeros((len(queries), len(part)), dtype=np.uint16)
        for column in range(width // word):
            total += np.bitwise_count(left[:, column, None] ^ part[None, :, column])
        out[:, start : start + block] = total
    return out


def _words(codes: Codes, size: int) -> NDArray[np.unsignedinteger]:
    """View codes ``(n, bytes)`` as unsigned words of ``size`` bytes ``(n, bytes // size)``."""
    return np.ascontiguousarray(codes).view(np.dtype(f"u{size}"))


def asymmetric_score(logits: Logits, codes: Codes) -> NDArray[np.float32]:
    """Scores ``float32 (q, n)`` of real-valued queries ``(q, bits)`` against stored bits; larger is nearer.

    The score is the inner product of the logits with the code read as -1/+1: the distance that product
    quantisation calls asymmetric, because only the stored side is quantised.

    Raises:
        InputError: The two lengths differ.
    """
    if logits.shape[1] != codes.shape[1] * 8:
        raise InputError(f"queries have {logits.shape[1]} logits and codes {codes.shape[1] * 8} bits; they must agree")
    signs = unpack(codes).astype(np.float32) * 2 - 1  # (n, bits)
    return np.asarray(logits, dtype=np.float32) @ signs.T

"""Float vectors that another model made, checked before a graph takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError

LARGEST = 1e15
"""Of a number in a vector: the squares of 32,768 of them add up in float32, so that lengths can be calculated."""


def check_vector(value: object, width: int) -> NDArray[np.float32]:
    """Return ``value`` as float32 ``(width,)``.

    Raises:
        InputError: Not numbers, not one row of ``width`` of them, or NaN, infinity or more than 1e15 among them.

    Example:
        >>> check_vector([1, 2.5], 2).tolist()
        [1.0, 2.5]
    """
    row = _numbers(value)
    if row is None:
        raise InputError(f"the vector is {_kind(value)}; {width} numbers are needed")
    if row.shape != (width,):
        raise InputError(f"the vector has shape {row.shape}; {width} numbers in one row are needed")
    if not (usable := np.abs(row) <= LARGEST).all():  # NaN compares as False
        position = int(np.flatnonzero(~usable)[0])
        raise InputError(
            f"number {position} of the vector is {row[position]} as float32; finite ones up to {LARGEST:g} are needed"
        )
    return row


def check_vectors(values: object, width: int, *, first: int = 0) -> NDArray[np.float32]:
    """Return ``values`` as float32 ``(n, width)``; no rows are allowed.

    Args:
        values: A matrix, or a list of rows.
        width: Numbers per row.
        first: What a message adds to the number of a row, where ``values`` is a part of something larger.

    Raises:
        InputError: Not rows of ``width`` numbers of at most 1e15; the message names the first row that is not one.
    """
    if not isinstance(values, (list, tuple, np.ndarray)) or (isinstance(values, np.ndarray) and not values.ndim):
        raise InputError(f"the vectors are {_kind(values)}; a float matrix (n, {width}) is needed")
    if len(values) == 0:
        return np.empty((0, width), dtype=np.float32)
    matrix = _numbers(values)
    if matrix is not None and matrix.shape[1:] == (width,) and (np.abs(matrix) <= LARGEST).all():
        return matrix
    rows = []
    for number, row in enumerate(values):  # one of them is wrong: find out which
        try:
            rows.append(check_vector(row, width))
        except InputError as error:
            raise InputError(f"row {first + number}: {error}") from error
    return np.stack(rows)


def _numbers(values: object) -> NDArray[np.float32] | None:
    """``values`` as float32, C-contiguous; None if they are not numbers, or not as many in every row."""
    try:
        found = np.asarray(values)
    except ValueError:
        return None
    if found.dtype.kind not in "fiu" and found.size:
        return None
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and that is reported
        return np.asarray(found, dtype=np.float32, order="C")


def _kind(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"

"""Which texts, pictures and clips are the same: by their words, and by the bytes of their files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 20


def same_texts(texts: Sequence[str]) -> NDArray[np.int64]:
    """A number for each text, equal where the texts differ in white space alone.

    Example:
        >>> same_texts(["a red bus", "a cat", "a  red bus "]).tolist()
        [1, 0, 1]
    """
    return _numbers([" ".join(text.split()) for text in texts])


def same_files(paths: Sequence[str]) -> NDArray[np.int64]:
    """A number for each path, equal where the files have the same bytes; files of one size alone are read."""
    sizes = {path: _size(path) for path in dict.fromkeys(paths)}
    alike = Counter(sizes.values())
    contents = {path: _digest(path) if size and alike[size] > 1 else path for path, size in sizes.items()}
    return _numbers([contents[path] for path in paths])


def _numbers(contents: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(contents, dtype=object), return_inverse=True)[1].astype(np.int64)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # the encoder says so
        return 0


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return path
    return digest.hexdigest()

"""Random hyperplanes: locality-sensitive hashing for the cosine, the baseline that learns nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hyperplanes(width: int, bits: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Normals float64 ``(width, bits)`` of random hyperplanes; bit ``i`` of ``x`` is the sign of ``(x @ normals)[i]``.

    Two vectors at angle ``a`` differ in a bit with probability ``a / pi`` (Charikar, STOC 2002). The first normals are
    the same at every length, so that these codes are nested too.
    """
    return np.random.default_rng(seed).standard_normal((bits, width)).T

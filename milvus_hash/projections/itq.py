"""Iterative quantisation: the rotation after which signs lose least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fit_itq(v: NDArray[np.floating], *, iterations: int = 50, seed: int = 0) -> tuple[NDArray[np.float64], list[float]]:
    """Rotate centred vectors ``v (n, k)`` so that their signs ``B`` are near to them (Gong and Lazebnik, CVPR 2011).

    From a random rotation on, two steps take turns, neither of which can make the loss ``||B - v R||^2 / n`` larger:
    ``B = sign(v R)``, and ``R = W U'`` of the singular value decomposition ``U S W'`` of ``B' v`` (orthogonal
    Procrustes).

    Returns:
        The rotation float64 ``(k, k)``, and the loss before each of the iterations.
    """
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((v.shape[1], v.shape[1])))[0]
    losses = []
    for _ in range(iterations):
        rotated = v @ rotation
        codes = np.where(rotated > 0, 1.0, -1.0)
        losses.append(float(np.square(codes - rotated).sum() / len(v)))
        u, _, w = np.linalg.svd(codes.T @ v)
        rotation = w.T @ u.T
    return rotation, losses

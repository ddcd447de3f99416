"""Decorrelation: no two bits of a code say the same."""

from __future__ import annotations

import torch
from torch import Tensor


def decorrelation(u: Tensor) -> Tensor:
    """``mean_{k != l}(C_kl^2)`` with ``C`` the covariance of the bits over the batch.

    The constraint of Pairwise Relationship Guided Deep Hashing (Yang et al., AAAI 2017), which sums instead of
    averaging; the mean makes the weight independent of the code length.

    Args:
        u: Relaxed codes ``(n, bits)``, at least two bits.
    """
    bits = u.shape[1]
    centred = u - u.mean(dim=0)
    covariance = centred.T @ centred / len(u)
    return (covariance.square().sum() - torch.diagonal(covariance).square().sum()) / (bits * (bits - 1))

"""Contrastive: similar pairs close in Euclidean distance, the others at least a threshold apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def contrastive(u: Tensor, v: Tensor, similar: Tensor, *, threshold: float = 0.5) -> Tensor:
    """``mean(s * d^2 + (1 - s) * max(0, d_max - d)^2) / bits`` with ``d`` the Euclidean distance.

    ``d_max = 2 * sqrt(bits * threshold)`` is the distance of two codes of -1 and 1 that differ in the share
    ``threshold`` of their bits. The capped negatives follow DCHMT (Tu et al., ACM MM 2022); the division by
    ``bits`` makes the weight independent of the code length.

    Args:
        u: Relaxed codes ``(n, bits)`` of one modality.
        v: Relaxed codes ``(m, bits)`` of the other.
        similar: ``(n, m)``, 1 where the items are relevant to each other, else 0.
        threshold: Share of differing bits from which a dissimilar pair costs nothing, in 0..1.
    """
    bits = u.shape[1]
    squared = u.square().sum(1, keepdim=True) + v.square().sum(1) - 2 * u @ v.T
    # the root has no slope at 0: equal codes would give a gradient of nan
    distance = squared.clamp(min=1e-6).sqrt()
    short = torch.relu(2 * math.sqrt(bits * threshold) - distance)
    return (similar * squared + (1 - similar) * short.square()).mean() / bits

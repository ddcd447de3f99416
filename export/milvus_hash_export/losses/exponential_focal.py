"""Exponential focal: the probability that two codes are similar falls exponentially with their distance."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

_LEAST = 1e-4  # of a probability: equal codes of dissimilar items would cost infinitely much


def exponential_focal(
    u: Tensor, v: Tensor, similar: Tensor, *, beta: float = 8.0, alpha: float = 0.5, gamma: float = 2.0
) -> Tensor:
    """Cross-entropy of the pairs in which those that are told well already count little, averaged.

    ``d_ij = (1 - cos(u_i, v_j)) / 2`` is the share of differing bits of two codes of -1 and 1,
    ``p_ij = exp(-beta * d_ij)``, and
    ``J = -mean(s * alpha * (1 - p)^gamma * log(p) + (1 - s) * (1 - alpha) * p^gamma * log(1 - p))``: the exponential
    focal loss of Cross-Modal Hamming Hashing (Cao et al., ECCV 2018), with the distance as a share of the code, so that
    ``beta`` does not depend on its length. Published code takes 0.5 per bit, which is 8 at 16 bits.

    Args:
        u: Relaxed codes ``(n, bits)`` of one modality.
        v: Relaxed codes ``(m, bits)`` of the other.
        similar: ``(n, m)``, 1 where the items are relevant to each other, else 0.
        beta: How fast the probability falls.
        alpha: Weight of similar pairs, in 0..1; dissimilar ones have the rest.
        gamma: How little pairs count that are told well.
    """
    exponent = beta * (1 - normalize(u) @ normalize(v).T).clamp(min=0) / 2
    p = torch.exp(-exponent)
    together = alpha * (1 - p) ** gamma * exponent
    apart = (1 - alpha) * p**gamma * -torch.log((1 - p).clamp(min=_LEAST))
    return (similar * together + (1 - similar) * apart).mean()

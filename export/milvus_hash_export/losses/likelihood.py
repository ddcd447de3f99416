"""Pairwise likelihood: the probability that two codes are similar is a sigmoid of their inner product."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus


def likelihood(u: Tensor, v: Tensor, similar: Tensor, *, scale: float = 8.0) -> Tensor:
    """Negative log-likelihood of the pairs, averaged.

    ``theta_ij = scale * <u_i, v_j> / bits`` and ``J = mean(log(1 + exp(theta)) - s * theta)``: the first term of
    Deep Cross-Modal Hashing (Jiang & Li, CVPR 2017, equation 1), which has ``scale = bits / 2``. A smaller
    scale, the same for every code length, keeps the sigmoid from saturating at long codes.

    Args:
        u: Relaxed codes ``(n, bits)`` in -1..1 of one modality.
        v: Relaxed codes ``(m, bits)`` of the other.
        similar: ``(n, m)``, 1 where the items are relevant to each other, else 0.
        scale: ``theta`` of two equal codes.
    """
    theta = scale * (u @ v.T) / u.shape[1]
    return (softplus(theta) - similar * theta).mean()

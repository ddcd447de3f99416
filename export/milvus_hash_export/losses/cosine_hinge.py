"""Cosine hinge: similar pairs towards +margin, the others towards -margin, nothing beyond."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def cosine_hinge(u: Tensor, v: Tensor, similar: Tensor, *, margin: float = 0.8) -> Tensor:
    """``mean(max(0, margin - s' * cos(u_i, v_j)))`` with ``s'`` = +1 for similar pairs and -1 for others.

    After Correlation Hashing Network (Cao et al., 2016, arXiv 1602.06697). Similar and dissimilar pairs are
    averaged apart and weigh the same, because the latter are far more.

    Args:
        u: Relaxed codes ``(n, bits)`` of one modality.
        v: Relaxed codes ``(m, bits)`` of the other.
        similar: ``(n, m)``, 1 where the items are relevant to each other, else 0.
        margin: Cosine from which a pair costs nothing, in 0..1.
    """
    cosine = normalize(u) @ normalize(v).T
    pull = (torch.relu(margin - cosine) * similar).sum() / similar.sum().clamp(min=1)
    other = 1 - similar
    push = (torch.relu(margin + cosine) * other).sum() / other.sum().clamp(min=1)
    return (pull + push) / 2

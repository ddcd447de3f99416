"""Triplets: a relevant item must be nearer than an irrelevant one, by a margin."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def triplet(u: Tensor, v: Tensor, similar: Tensor, *, margin: float = 0.4) -> Tensor:
    """All triplets of a batch in both directions, averaged over those that cost something.

    ``max(0, margin + cos(u_a, v_n) - cos(u_a, v_p))`` for every anchor ``a`` with ``p`` similar and ``n`` not; the
    margin and the average over active triplets follow DADH (Bai et al., ICMR 2020). Memory is ``n * m * m``
    floats.

    Args:
        u: Relaxed codes ``(n, bits)`` of one modality.
        v: Relaxed codes ``(m, bits)`` of the other.
        similar: ``(n, m)``, 1 where the items are relevant to each other, else 0.
        margin: How much nearer, as a difference of cosines.
    """
    cosine = normalize(u) @ normalize(v).T
    return (_anchored(cosine, similar, margin) + _anchored(cosine.T, similar.T, margin)) / 2


def _anchored(cosine: Tensor, similar: Tensor, margin: float) -> Tensor:
    cost = torch.relu(margin + cosine.unsqueeze(1) - cosine.unsqueeze(2))  # (anchor, positive, negative)
    cost = cost * similar.unsqueeze(2) * (1 - similar).unsqueeze(1)
    return cost.sum() / (cost > 0).sum().clamp(min=1)

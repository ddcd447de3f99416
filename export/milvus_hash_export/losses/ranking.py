"""Ranking loss: a pair must be closer than the hardest wrong partners that the batch holds, by a margin."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def ranking(f: Tensor, g: Tensor, negative: Tensor, *, margin: float = 1.0) -> Tensor:
    """Bidirectional hinge on cosines, averaged over the pairs: Zheng et al. (TOMM 2020), equation 11.

    ``max(0, margin - cos(f_a, g_a) + max_n cos(f_a, g_n)) + max(0, margin - cos(f_a, g_a) + max_n cos(f_n, g_a))``
    with ``n`` over the negatives of ``a``. A pair without negatives costs nothing.

    Args:
        f: Features ``(n, d)`` of one path.
        g: Those of the other; ``g_i`` belongs to ``f_i``.
        negative: Bool ``(n, n)``, which pairs may be told apart; symmetric, false on the diagonal.
        margin: ``alpha``; at 1 no pair with non-negative features is ever done with, as in the published code.
    """
    cosine = normalize(f) @ normalize(g).T
    own = cosine.diagonal()
    wrong = cosine.masked_fill(~negative, -torch.inf)  # the hinge of -inf is 0
    texts, pictures = wrong.amax(dim=1), wrong.amax(dim=0)
    return (torch.relu(margin - own + texts) + torch.relu(margin - own + pictures)).mean()

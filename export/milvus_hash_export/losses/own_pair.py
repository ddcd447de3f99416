"""Own pair: among the texts of a batch a picture finds its own, and a text its own picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


def own_pair(u: Tensor, v: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Symmetric cross-entropy over the batch (InfoNCE), averaged over the two directions.

    ``L = -1/2n sum_i [log softmax_j(cos(u_i, v_j) / tau)_i + log softmax_j(cos(v_i, u_j) / tau)_i]``: the loss of CLIP
    (Radford et al., ICML 2021, figure 3) on relaxed codes. Labels alone pull all items of a label into one code; this
    keeps them apart.

    Args:
        u: Relaxed codes ``(n, bits)`` in -1..1 of one modality.
        v: Those of the other; ``v_i`` belongs to ``u_i``.
        temperature: ``tau``; smaller looks harder at the nearest wrong ones.
    """
    logits = normalize(u) @ normalize(v).T / temperature
    own = torch.arange(len(u), device=u.device)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2

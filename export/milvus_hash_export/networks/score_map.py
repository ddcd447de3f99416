"""Pixel-text scores: how well each place of an image matches a text, and the image feature that they weigh."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize


def score_map(places: Tensor, texts: Tensor) -> Tensor:
    """Cosine of every place and every text of an image.

    ``s_ikp = <z_ip, t_ik> / (|z_ip| |t_ik|)``, the score map of DenseCLIP (Rao et al., CVPR 2022, equation 1).

    Args:
        places: Places of each image ``(n, p, c)``.
        texts: Texts for each image ``(n, k, c)``.

    Returns:
        ``(n, k, p)`` in -1..1.
    """
    return normalize(texts, dim=2) @ normalize(places, dim=2).transpose(1, 2)


def scored_average(places: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """The places' average, weighed by ``softmax_p(s_ikp / temperature)``: ``(n, k, c)``."""
    return (scores / temperature).softmax(dim=2) @ places


def batch_scores(places: Tensor, texts: Tensor, temperature: float) -> Tensor:
    """How well every text of a batch matches some places of every image.

    ``S_ij = tau * (log sum_p exp(s_ijp / tau) - log P)`` with ``s_ijp = cos(z_ip, t_j)``: a smooth maximum over the
    places, so that a text need not describe the whole image.

    Args:
        places: Places of each image ``(n, P, c)``.
        texts: One text each ``(m, c)``.
        temperature: ``tau``; smaller looks at the best place only.

    Returns:
        ``(n, m)``, at most 1.
    """
    cosine = normalize(places, dim=2) @ normalize(texts, dim=1).T  # (n, P, m)
    return temperature * ((cosine / temperature).logsumexp(dim=1) - math.log(places.shape[1]))


class PairScores(nn.Module):
    """Cross-entropy of telling related from unrelated pairs of images and texts by their score maps.

    ``mean(BCE(a S_ij / tau + b, similar_ij))`` with ``S`` of :func:`batch_scores`; ``a`` and ``b`` are learned, because
    a cosine has no probability of its own.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.scale = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, places: Tensor, texts: Tensor, similar: Tensor) -> Tensor:
        """The loss of places ``(n, p, c)`` and texts ``(n, c)``, with ``similar (n, n)`` 1 where they are related."""
        scores = batch_scores(places, texts, self.temperature) / self.temperature
        return binary_cross_entropy_with_logits(self.scale * scores + self.bias, similar)

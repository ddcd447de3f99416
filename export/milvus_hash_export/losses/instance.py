"""Instance loss: every pair is a class of its own, and both paths are told apart by one shared weight matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, log_softmax


class InstanceLoss(nn.Module):
    """The classes that both paths share: training pairs, labels, or both.

    Zheng et al. (TOMM 2020), equations 4 to 7, whose ``W_share`` is :attr:`item`. Because images and texts meet the
    same rows of it, a class lies in the same direction for both.

    Args:
        width: Of the widest features.
        items: How many training pairs there are; 0: they are no classes.
        labels: How many labels; 0: they are no classes.
        item_weight: Of the loss over the pairs; that over the labels weighs 1.

    Attributes:
        item: float ``(items, width)``, or None.
        label: float ``(labels, width)``, or None.
    """

    def __init__(self, width: int, items: int, labels: int = 0, *, item_weight: float = 1.0) -> None:
        super().__init__()
        self.item = _weights(items, width)
        self.label = _weights(labels, width)
        self.item_weight = item_weight

    def forward(self, features: Tensor, items: Tensor, labels: Tensor) -> Tensor:
        """The loss of one path, a scalar.

        Args:
            features: float ``(n, d)``; where they are narrower than the classes (the prefix of a nested code), the
                first ``d`` columns count.
            items: The pair of each, int64 ``(n,)``.
            labels: 0 or 1, float ``(n, labels)``.
        """
        loss = features.new_zeros(())
        if self.item is not None:
            loss = loss + self.item_weight * instance(linear(features, self.item[:, : features.shape[1]]), items)
        if self.label is not None:
            loss = loss + labelled(linear(features, self.label[:, : features.shape[1]]), labels)
        return loss


def instance(scores: Tensor, items: Tensor) -> Tensor:
    """``-log softmax(W f)_c`` averaged over the batch, ``c`` the class of each pair.

    Args:
        scores: ``W f``, float ``(n, classes)``.
        items: ``c``, int64 ``(n,)``.
    """
    return -log_softmax(scores, dim=1).gather(1, items.unsqueeze(1)).mean()


def labelled(scores: Tensor, labels: Tensor) -> Tensor:
    """The instance loss where a pair belongs to several classes: ``-sum_c q_c log softmax(W f)_c``.

    ``q`` is the pair's labels, each with the same share; with one label a pair this is :func:`instance`. Averaged
    over the pairs that have labels; 0 where none has.

    Args:
        scores: ``W f``, float ``(n, labels)``.
        labels: 0 or 1, float ``(n, labels)``.
    """
    count = labels.sum(dim=1)
    share = labels / count.clamp(min=1).unsqueeze(1)
    return -(share * log_softmax(scores, dim=1)).sum() / (count > 0).sum().clamp(min=1)


def _weights(classes: int, width: int) -> nn.Parameter | None:
    """A row for each class, none for no classes; of length 1 on average."""
    return nn.Parameter(torch.randn(classes, width) * width**-0.5) if classes else None

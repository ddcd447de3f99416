"""What every method is: streams into one Hamming space, and an objective over a batch of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from milvus_hash_export.networks.stream import Stream


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs of one training step.

    Attributes:
        visual: What the frozen part of the image or video stream gave, ``(n, ...)``.
        text: What the frozen part of the text stream gave; tokens and their mask, int64 ``(n, L)``, where it has none.
        labels: 0 or 1, float ``(n, labels)``; no columns where the data has no labels.
        items: Positions of the pairs in the training set, int64 ``(n,)``.
    """

    visual: Tensor
    text: tuple[Tensor, ...]
    labels: Tensor
    items: Tensor


@dataclass(frozen=True, slots=True)
class Data:
    """What a method must know of the training data before it is built.

    Attributes:
        visual: ``image`` or ``video``: what the texts are paired with.
        items: How many pairs there are to train on.
        labels: How many labels.
        table: Starting word table float ``(words, embedding_dim)``; None for a method that takes a sentence encoder.
    """

    visual: str
    items: int
    labels: int
    table: Tensor | None


class Method(nn.Module):
    """Both streams and the objective; a subclass gives :meth:`forward`.

    Args:
        visual: ``image`` or ``video``.
        visual_stream: Its stream.
        text_stream: The stream of the texts.
    """

    def __init__(self, visual: str, visual_stream: Stream, text_stream: Stream) -> None:
        super().__init__()
        self.visual_modality = visual
        self.visual = visual_stream
        self.text = text_stream

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams by modality, as they are exported."""
        return {self.visual_modality: self.visual, "text": self.text}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The objective (key ``loss``) and its terms, unweighted, each a scalar."""
        raise NotImplementedError

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Called before epoch ``epoch`` (from 0) of ``epochs``: where a method trains in stages."""

    def pretrained(self) -> Iterable[nn.Parameter]:
        """Parameters that start from trained weights; they learn at ``backbone_rate`` times the rate."""
        return ()


def shared_label(labels: Tensor) -> Tensor:
    """1 where two items share a label, float ``(n, n)`` from labels ``(n, labels)``; every item is like itself."""
    shared = (labels @ labels.T > 0).to(labels.dtype)
    return shared.fill_diagonal_(1.0)


def over_lengths(bits: tuple[int, ...], loss: Callable[[int], Tensor]) -> Tensor:
    """The mean of ``loss(length)`` over the nested code lengths: every prefix is trained as a code of its own."""
    return torch.stack([loss(length) for length in bits]).mean()

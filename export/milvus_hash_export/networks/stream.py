"""A stream: one modality from raw inputs to logits, cut where the frozen part ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Parts:
    """What an image or video stream is made of, next to its head.

    Attributes:
        frozen: Pixels to features; never learns.
        trunk: Features to embeddings float ``(n, width)``.
        width: Numbers per embedding.
        pooled: Features to the frozen float vectors ``(n, d)`` that baselines start from.
        signature: Names what ``frozen`` computes, for the key of the cache.
        pretrained: The parameters of ``trunk`` that start from trained weights.
    """

    frozen: nn.Module
    trunk: nn.Module
    width: int
    pooled: nn.Module
    signature: str
    pretrained: tuple[nn.Parameter, ...] = ()


class Stream(nn.Module):
    """Raw inputs to logits in three parts: ``frozen``, ``trunk`` and ``head``.

    ``frozen`` never learns, so that what it makes of a training item can be computed once and cached; ``trunk`` makes
    one learned float vector of that, the *embedding*, and ``head`` makes logits of the embedding.

    Attributes:
        signature: Names what ``frozen`` computes (backbone, weights, cut, regions); part of the cache's key.
        takes_boxes: Whether ``frozen`` takes boxes float ``(n, k, 4)`` as a second input in training; see
            :mod:`milvus_hash_export.boxes`.

    Args:
        frozen: Raw inputs, as the graph takes them, to one tensor or a tuple of them. None: the inputs are the
            features (tokens whose word table learns).
        trunk: Features to embeddings float ``(n, width)``.
        head: Embeddings to logits float ``(n, bits)``.
        pooled: Features to the frozen float vectors ``(n, d)`` that baselines start from: nothing in them was learned
            on the training data.
        signature: See the attribute.
    """

    takes_boxes: bool = False

    def __init__(
        self, frozen: nn.Module | None, trunk: nn.Module, head: nn.Module, *, pooled: nn.Module, signature: str
    ) -> None:
        super().__init__()
        self.frozen = frozen
        self.trunk = trunk
        self.head = head
        self.pooled = pooled
        self.signature = signature
        if frozen is not None:
            frozen.requires_grad_(False)
        pooled.requires_grad_(False)

    def features(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the frozen part gives, always as a tuple."""
        if self.frozen is None:
            return inputs
        features: Any = self.frozen(*inputs)
        return features if isinstance(features, tuple) else (features,)

    def embed(self, *features: Tensor) -> Tensor:
        """Embeddings float ``(n, width)`` of cached features."""
        embedding: Tensor = self.trunk(*features)
        return embedding

    def from_features(self, *features: Tensor) -> Tensor:
        """Logits float ``(n, bits)`` of cached features."""
        logits: Tensor = self.head(self.trunk(*features))
        return logits

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits of raw inputs."""
        return self.from_features(*self.features(*inputs))

    def train(self, mode: bool = True) -> Stream:
        """Set the training mode; the frozen part stays in evaluation mode."""
        super().train(mode)
        if self.frozen is not None:
            self.frozen.eval()
        self.pooled.eval()
        return self

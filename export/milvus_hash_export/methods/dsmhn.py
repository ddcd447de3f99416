"""DSMHN, Deep Semantic Multimodal Hashing Network (Jin, Li, Tang), for images and texts.

Two streams give relaxed codes; the codes of the two modalities must agree where items share a label, must tell
the labels, must be near to -1 and 1, and every bit must be used. See ``docs/methods/dsmhn.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from milvus_hash.errors import InputError
from milvus_hash_export.losses import SIMILARITY_LOSSES, bit_balance, own_pair, quantisation
from milvus_hash_export.networks.image import ImageHash
from milvus_hash_export.networks.text import TextHash


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs of one training step.

    Attributes:
        features: What the frozen part of the image stream gave, ``(n, width)`` or ``(n, c, h, w)``.
        input_ids: Tokens int64 ``(n, L)``.
        attention_mask: 1 on real tokens, int64 ``(n, L)``.
        labels: 0 or 1, float ``(n, labels)``; no columns where the data has no labels.
    """

    features: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the terms of the objective."""

    similarity: float = 1.0
    intra: float = 0.0
    labels: float = 1.0
    pair: float = 1.0
    quantisation: float = 0.05
    balance: float = 1.0


class DSMHN(nn.Module):
    """Both networks, the label classifier on the codes, and the objective.

    Args:
        image: The image stream.
        text: The text stream.
        bits: Ascending code lengths, the last one full; each is held to the similarities (nested codes).
            The labels are told from the full code only: a classifier for every prefix made all lengths worse.
        labels: How many labels the data has; 0 leaves the label term out.
        similarity: A name of :data:`milvus_hash_export.losses.SIMILARITY_LOSSES`.
        weights: Weights of the terms.

    Raises:
        InputError: There is no such similarity loss.
    """

    def __init__(
        self,
        image: ImageHash,
        text: TextHash,
        *,
        bits: tuple[int, ...],
        labels: int,
        similarity: str,
        weights: Weights,
    ) -> None:
        super().__init__()
        if similarity not in SIMILARITY_LOSSES:
            raise InputError(f"no similarity loss {similarity!r}; there are: {', '.join(SIMILARITY_LOSSES)}")
        self.image = image
        self.text = text
        self.classifier = nn.Linear(bits[-1], labels) if labels else None
        self.bits = bits
        self.similarity = SIMILARITY_LOSSES[similarity]
        self.weights = weights

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The objective (key ``loss``) and its terms, unweighted, each a scalar."""
        u = torch.tanh(self.image.from_features(batch.features))
        v = torch.tanh(self.text(batch.input_ids, batch.attention_mask))
        similar = shared_label(batch.labels)
        terms: dict[str, Tensor] = {
            "similarity": self._nested(u, v, similar),
            "quantisation": quantisation(u) + quantisation(v),
            "balance": bit_balance(u) + bit_balance(v),
        }
        if self.weights.intra:
            terms["intra"] = self._nested(u, u, similar) + self._nested(v, v, similar)
        if self.weights.pair:
            terms["pair"] = own_pair(u, v)
        if self.classifier is not None:
            terms["labels"] = _told(self.classifier(u), batch.labels) + _told(self.classifier(v), batch.labels)
        total = torch.stack([getattr(self.weights, name) * term for name, term in terms.items()]).sum()
        return {"loss": total, **terms}

    def _nested(self, u: Tensor, v: Tensor, similar: Tensor) -> Tensor:
        """The similarity loss, averaged over the code lengths."""
        losses = [self.similarity(u[:, :length], v[:, :length], similar) for length in self.bits]
        return torch.stack(losses).mean()


def _told(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the labels told from the codes.

    Summed over the labels, because the weight of one must not depend on how many others there are.
    """
    return binary_cross_entropy_with_logits(logits, labels) * labels.shape[1]


def shared_label(labels: Tensor) -> Tensor:
    """1 where two items share a label, float ``(n, n)`` from labels ``(n, labels)``; every item is like itself."""
    shared = (labels @ labels.T > 0).to(labels.dtype)
    return shared.fill_diagonal_(1.0)

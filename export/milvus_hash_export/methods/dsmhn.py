"""DSMHN, Deep Semantic Multimodal Hashing Network (Jin, Li, Tang), for images or videos and texts.

Two streams give relaxed codes; the codes of the two modalities must agree where items share a label, must tell
the labels, must be near to -1 and 1, and every bit must be used. See ``docs/methods/dsmhn.md``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from milvus_hash.errors import InputError
from milvus_hash_export.checks import check_least, check_shares
from milvus_hash_export.losses import SIMILARITY_LOSSES, bit_balance, own_pair, quantisation
from milvus_hash_export.losses.decorrelation import decorrelation
from milvus_hash_export.methods.base import Batch, Data, Method, over_lengths, shared_label
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.image import build_image_parts
from milvus_hash_export.networks.stream import Parts, Stream
from milvus_hash_export.networks.text import TextCNN, WordAverage

if TYPE_CHECKING:
    from milvus_hash_export.config import TrainConfig


@dataclass(frozen=True, slots=True)
class DSMHNOptions:
    """The settings of DSMHN; its terms and their equations are in ``docs/methods/dsmhn.md``.

    Attributes:
        filters: Filters per width of the text CNN.
        hidden: Width of the hidden layer in front of each hash layer.
        input_dropout: Share of an embedding's numbers hidden in training.
        dropout: Share of the hidden layer's.
        word_dropout: Share of the tokens hidden in training.
        similarity: Similarity loss, see :data:`milvus_hash_export.losses.SIMILARITY_LOSSES`.
        similarity_weight: Of that loss between the modalities.
        intra_weight: Of that loss within each modality.
        label_weight: Of telling the labels from the code.
        pair_weight: Of finding the own partner among the batch.
        quantisation_weight: Of the distance to -1 and 1.
        balance_weight: Of every bit being set for half of the items.
        decorrelation_weight: Of no two bits saying the same.
    """

    filters: int = 128
    hidden: int = 512
    input_dropout: float = 0.3
    dropout: float = 0.3
    word_dropout: float = 0.1
    similarity: str = "likelihood"
    similarity_weight: float = 1.0
    intra_weight: float = 0.0
    label_weight: float = 1.0
    pair_weight: float = 1.0
    quantisation_weight: float = 0.05
    balance_weight: float = 1.0
    decorrelation_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.similarity not in SIMILARITY_LOSSES:
            raise InputError(f"no similarity loss {self.similarity!r}; there are: {', '.join(SIMILARITY_LOSSES)}")
        check_least(self, 1, "filters", "hidden")
        check_shares(self)


class DSMHN(Method):
    """Both streams, the label classifier on the codes, and the objective.

    Args:
        visual: ``image`` or ``video``.
        visual_stream: Its stream.
        text_stream: The stream of the texts.
        bits: Ascending code lengths, the last one full; each is held to the similarities (nested codes).
            The labels are told from the full code only: a classifier for every prefix made all lengths worse.
        labels: How many labels the data has; 0 leaves the label term out.
        options: Loss and weights.
        pretrained: Parameters that start from trained weights.
    """

    def __init__(
        self,
        visual: str,
        visual_stream: Stream,
        text_stream: Stream,
        *,
        bits: tuple[int, ...],
        labels: int,
        options: DSMHNOptions,
        pretrained: Iterable[nn.Parameter] = (),
    ) -> None:
        super().__init__(visual, visual_stream, text_stream)
        self.classifier = nn.Linear(bits[-1], labels) if labels else None
        self.bits = bits
        self.options = options
        self.similarity = SIMILARITY_LOSSES[options.similarity]
        self._pretrained = list(pretrained)

    def pretrained(self) -> Iterable[nn.Parameter]:
        """The tail of the backbone, and the word table where it learns."""
        return self._pretrained

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The objective (key ``loss``) and its terms, unweighted, each a scalar."""
        u = torch.tanh(self.visual.from_features(batch.visual))
        v = torch.tanh(self.text.from_features(*batch.text))
        similar = shared_label(batch.labels)
        options = self.options
        terms: dict[str, tuple[float, Tensor]] = {
            "similarity": (options.similarity_weight, self._nested(u, v, similar)),
            "quantisation": (options.quantisation_weight, quantisation(u) + quantisation(v)),
            "balance": (options.balance_weight, bit_balance(u) + bit_balance(v)),
        }
        if options.intra_weight:
            intra = self._nested(u, u, similar) + self._nested(v, v, similar)
            terms["intra"] = (options.intra_weight, intra)
        if options.decorrelation_weight:
            terms["decorrelation"] = (options.decorrelation_weight, decorrelation(u) + decorrelation(v))
        if options.pair_weight:
            terms["pair"] = (options.pair_weight, own_pair(u, v))
        if self.classifier is not None:
            told = _told(self.classifier(u), batch.labels) + _told(self.classifier(v), batch.labels)
            terms["labels"] = (options.label_weight, told)
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return {"loss": total} | {name: term for name, (_, term) in terms.items()}

    def _nested(self, u: Tensor, v: Tensor, similar: Tensor) -> Tensor:
        """The similarity loss, averaged over the code lengths."""
        return over_lengths(self.bits, lambda length: self.similarity(u[:, :length], v[:, :length], similar))


def _told(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the labels told from the codes, averaged over the items that have labels.

    Summed over the labels, because the weight of one must not depend on how many others there are. An item without
    any is one whose labels are missing.
    """
    known = labels.any(dim=1).to(labels.dtype)
    costs = binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(dim=1)
    return (costs * known).sum() / known.sum().clamp(min=1)


def build_dsmhn(config: TrainConfig, data: Data, *, weights: str) -> DSMHN:
    """Both streams and the objective, for pictures or clips as ``data.visual`` says.

    Raises:
        InputError: A backbone, weights or a cut that there is not.
    """
    options = config.options
    assert isinstance(options, DSMHNOptions)
    assert data.table is not None
    parts = _visual_parts(config, data.visual, weights)
    trunk = TextCNN(
        data.table,
        filters=options.filters,
        train_embeddings=config.train_embeddings,
        word_dropout=options.word_dropout,
    )
    start = copy.deepcopy(trunk.embedding) if config.train_embeddings else trunk.embedding
    visual = Stream(
        parts.frozen, parts.trunk, _head(config, parts.width), pooled=parts.pooled, signature=parts.signature
    )
    text = Stream(None, trunk, _head(config, trunk.width), pooled=WordAverage(start), signature="words")
    words = trunk.embedding.parameters() if config.train_embeddings else ()
    return DSMHN(
        data.visual,
        visual,
        text,
        bits=config.bits,
        labels=data.labels,
        options=options,
        pretrained=[*parts.pretrained, *words],
    )


def _visual_parts(config: TrainConfig, visual: str, weights: str) -> Parts:
    if visual == "image":
        return build_image_parts(config, weights)
    from milvus_hash_export.networks.video import build_video_parts

    return build_video_parts(config, weights)


def _head(config: TrainConfig, width: int) -> HashHead:
    options = config.options
    return HashHead(
        width, options.hidden, config.bits[-1], input_dropout=options.input_dropout, dropout=options.dropout
    )

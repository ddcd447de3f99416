"""Dual-Path (Zheng, Zheng, Garrett, Yang, Xu, Shen; ACM TOMM 16(2), 2020) with a hash layer on top of each path.

Every training pair is a class of its own, told by one weight matrix that both paths share (instance loss); in a second
stage a ranking loss with hard negatives joins. See ``docs/methods/dual-path.md``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from milvus_hash.errors import InputError
from milvus_hash_export.checks import check_choice, check_least, check_positive, check_shares
from milvus_hash_export.losses.instance import InstanceLoss
from milvus_hash_export.losses.ranking import ranking
from milvus_hash_export.losses.regularisers import bit_balance, quantisation
from milvus_hash_export.methods.base import Batch, Data, Method, shared_label
from milvus_hash_export.networks.image import build_image_parts
from milvus_hash_export.networks.residual_text import ResidualText, TextPath
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.networks.text import WordAverage

if TYPE_CHECKING:
    from milvus_hash_export.config import TrainConfig

_CLASSES = ("item", "labels", "both")


@dataclass(frozen=True, slots=True)
class DualPathOptions:
    """The settings of Dual-Path; its terms and their equations are in ``docs/methods/dual-path.md``.

    Attributes:
        width: Numbers of the float vectors of both paths, and of the hidden layer of the image path.
        text_scale: Multiplies the widths of the residual text CNN; 1 is the paper's, 256 to 2,048.
        positions: Starting places of a text that the exported graph averages over.
        dropout: Share of the features hidden in training, in front of the classes and of the hash layers.
        word_dropout: Share of the words hidden in training.
        classes: What the instance loss tells: ``item``, every training pair (the paper; needs no labels), ``labels``,
            or ``both``.
        item_weight: Of the pairs among the classes; the labels weigh 1.
        stage_one: Share of the epochs in which only the instance loss counts and the backbone rests.
        visual_weight: Of the instance loss of the images in the second stage; in the first it is 1.
        textual_weight: Of that of the texts.
        ranking_weight: Of the ranking loss in the second stage.
        margin: Of the ranking loss, a difference of cosines.
        code_weight: Of the same objective on the relaxed codes.
        quantisation_weight: Of the distance of the codes to -1 and 1.
        balance_weight: Of every bit being set for half of the items.
    """

    width: int = 2048
    text_scale: float = 1.0
    positions: int = 1
    dropout: float = 0.5
    word_dropout: float = 0.0
    classes: Literal["item", "labels", "both"] = "item"
    item_weight: float = 1.0
    stage_one: float = 0.75
    visual_weight: float = 1.0
    textual_weight: float = 1.0
    ranking_weight: float = 1.0
    margin: float = 1.0
    code_weight: float = 1.0
    quantisation_weight: float = 0.05
    balance_weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        check_choice(self, "classes", _CLASSES)
        check_least(self, 1, "width", "positions")
        check_positive(self, "text_scale")
        check_shares(self)
        if not 0 <= self.stage_one <= 1:
            raise InputError(f"stage_one is {self.stage_one}; a share of the epochs from 0 to 1 is needed")


class DualPath(Method):
    """Both paths, the classes that they share, and the objective.

    The trunks give the features in front of the last ReLU, with which the paper ranks; the objective takes them
    behind it, as the paper's does.

    Args:
        image: The image stream.
        text: The text stream.
        bits: Ascending code lengths, the last one full; each is held to the objective (nested codes).
        width: Of both streams' embeddings.
        items: How many training pairs there are.
        labels: How many labels.
        options: Stages, classes and weights.
        tail: Parameters of the backbone that learn in the second stage.
        words: Parameters of the word table, where it learns.
    """

    def __init__(
        self,
        image: Stream,
        text: Stream,
        *,
        bits: tuple[int, ...],
        width: int,
        items: int,
        labels: int,
        options: DualPathOptions,
        tail: Iterable[nn.Parameter] = (),
        words: Iterable[nn.Parameter] = (),
    ) -> None:
        super().__init__("image", image, text)
        if options.classes == "labels" and not labels:
            raise InputError("classes is 'labels' and the data has none; take classes = \"item\"")
        self.bits = bits
        self.options = options
        self.second_stage = True
        self.dropout = nn.Dropout(options.dropout)
        items = 0 if options.classes == "labels" else items
        labels = 0 if options.classes == "item" else labels
        self.feature_classes = InstanceLoss(width, items, labels, item_weight=options.item_weight)
        self.code_classes = InstanceLoss(bits[-1], items, labels, item_weight=options.item_weight)
        self._tail, self._words = list(tail), list(words)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Choose the stage; in the first the backbone rests."""
        self.second_stage = epoch >= round(self.options.stage_one * epochs)
        for parameter in self._tail:
            parameter.requires_grad_(self.second_stage)

    def pretrained(self) -> Iterable[nn.Parameter]:
        """The tail of the backbone, and the word table where it learns."""
        return [*self._tail, *self._words]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The objective (key ``loss``) and its terms, unweighted, each a scalar."""
        options = self.options
        f, g = self.visual.embed(batch.visual), self.text.embed(*batch.text)
        u, v = torch.tanh(self.visual.head(f)), torch.tanh(self.text.head(g))
        f, g = self.dropout(torch.relu(f)), self.dropout(torch.relu(g))
        feature = self._terms(f, g, self.feature_classes, batch)
        nested = [self._terms(u[:, :length], v[:, :length], self.code_classes, batch) for length in self.bits]
        code = torch.stack(nested).mean(dim=0)
        stage = (options.visual_weight, options.textual_weight, options.ranking_weight)
        weights = feature.new_tensor(stage if self.second_stage else (1.0, 1.0, 0.0))
        quantised = quantisation(u) + quantisation(v)
        balance = bit_balance(u) + bit_balance(v)
        loss = (weights * (feature + options.code_weight * code)).sum()
        loss = loss + options.quantisation_weight * quantised + options.balance_weight * balance
        terms = {"loss": loss, "quantisation": quantised, "balance": balance}
        for i, name in enumerate(("visual", "textual", "ranking")):
            terms |= {name: feature[i], f"code_{name}": code[i]}
        return terms

    def _terms(self, f: Tensor, g: Tensor, classes: InstanceLoss, batch: Batch) -> Tensor:
        """Instance loss of the images and of the texts, and ranking loss: ``(3,)``."""
        negative = torch.eye(len(f), device=f.device) == 0
        if self.options.classes == "labels":
            negative = shared_label(batch.labels) == 0
        ranked = ranking(f, g, negative, margin=self.options.margin)
        return torch.stack([classes(f, batch.items, batch.labels), classes(g, batch.items, batch.labels), ranked])


class HashLayer(nn.Sequential):
    """Features in front of the last ReLU, float ``(n, width)``, to logits ``(n, bits)``."""

    def __init__(self, width: int, bits: int, dropout: float) -> None:
        super().__init__(nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, bits))


def image_path(channels: int, width: int) -> nn.Sequential:
    """Pooled backbone features ``(n, channels)`` to the features in front of the last ReLU, ``(n, width)``."""
    return nn.Sequential(
        nn.Linear(channels, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
    )


def build_dual_path(config: TrainConfig, data: Data, *, weights: str) -> DualPath:
    """Both streams and the objective.

    Raises:
        InputError: A backbone, weights or a cut that there is not; classes by label without labels.
    """
    options = config.options
    assert isinstance(options, DualPathOptions)
    assert data.table is not None
    parts = build_image_parts(config, weights)
    path = nn.Sequential(parts.trunk, image_path(parts.width, options.width))
    words = ResidualText(
        data.table,
        scale=options.text_scale,
        positions=options.positions,
        train_embeddings=config.train_embeddings,
        word_dropout=options.word_dropout,
    )
    start = copy.deepcopy(words.embedding) if config.train_embeddings else words.embedding
    heads = [HashLayer(options.width, config.bits[-1], options.dropout) for _ in range(2)]
    image = Stream(parts.frozen, path, heads[0], pooled=parts.pooled, signature=parts.signature)
    text = Stream(None, TextPath(words, options.width), heads[1], pooled=WordAverage(start), signature="words")
    return DualPath(
        image,
        text,
        bits=config.bits,
        width=options.width,
        items=data.items,
        labels=data.labels,
        options=options,
        tail=parts.pretrained,
        words=words.embedding.parameters() if config.train_embeddings else (),
    )

"""TVDB, Textual-Visual Deep Binaries (Shen, Liu, Shao, Song; ICCV 2017).

Pictures are sequences of regions, texts sequences of words; the binary codes of a batch are found in closed form and
the networks follow them. See ``docs/methods/tvdb.md``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from milvus_hash.errors import InputError
from milvus_hash_export.checks import check_choice, check_least, check_shares
from milvus_hash_export.losses.batch_codes import (
    CENTRED,
    WEIGHTINGS,
    agreement,
    code_steps,
    redundancy,
    signed_similarity,
)
from milvus_hash_export.losses.own_pair import own_pair
from milvus_hash_export.methods.base import Batch, Data, Method, over_lengths, shared_label
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.region_stream import BOXES, REGIONS, build_region_parts
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.networks.text import TextCNN, WordAverage

if TYPE_CHECKING:
    from milvus_hash_export.config import TrainConfig


@dataclass(frozen=True, slots=True)
class TVDBOptions:
    """The settings of TVDB; its objective and equations are in ``docs/methods/tvdb.md``.

    Attributes:
        regions: Where the regions come from: ``grid`` windows in which the backbone is active, ``rpn`` proposals of a
            pretrained detector, ``boxes`` of the manifest (windows fill up, and stand in when serving).
        region_count: Regions per picture, beside the whole picture.
        region_overlap: Intersection over union from which the less dominant of two regions is passed over.
        rpn_weights: Of the detector: ``coco`` or the path of a state dict of ``fasterrcnn_resnet50_fpn``.
        position_copies: How often a region's four numbers of position are repeated beside its features.
        lstm: Width of the LSTM over the regions, in each direction.
        filters: Filters per width of the text CNN.
        word_average: Put the average of the words beside the filters' answers.
        hidden: Width of the first of the two layers behind each embedding.
        input_dropout: Share of an embedding's numbers hidden in training.
        dropout: Share of the hidden layer's.
        region_dropout: Share of the region features'.
        word_dropout: Share of the words.
        similarity: How similar pairs are weighed, see
            :func:`milvus_hash_export.losses.batch_codes.signed_similarity`; ``plain`` is the paper's.
        eta: How hard codes and networks hold to each other.
        repulsion: How hard bits repel each other; 0 is the paper's objective.
        code_steps: Rounds of the closed-form steps in each batch.
        pair_weight: Of finding the own partner among the batch; 0 is the paper's objective.
    """

    regions: str = "grid"
    region_count: int = 4
    region_overlap: float = 0.5
    rpn_weights: str = "coco"
    position_copies: int = 1
    lstm: int = 128
    filters: int = 128
    word_average: bool = False
    hidden: int = 512
    input_dropout: float = 0.2
    dropout: float = 0.2
    region_dropout: float = 0.0
    word_dropout: float = 0.1
    similarity: str = CENTRED
    eta: float = 0.1
    repulsion: float = 6.0
    code_steps: int = 2
    pair_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        check_choice(self, "regions", REGIONS)
        check_choice(self, "similarity", WEIGHTINGS)
        check_least(self, 1, "region_count", "position_copies", "lstm", "filters", "hidden")
        check_shares(self, "region_overlap")
        check_least(self, 0, "repulsion", "code_steps", "pair_weight")
        if not self.eta > 0:
            raise InputError(f"eta is {self.eta}; more than 0 is needed, or the networks learn nothing")


class TVDB(Method):
    """Both streams and the objective.

    Args:
        visual_stream: That of the pictures.
        text_stream: That of the texts.
        bits: Ascending code lengths, the last one full.
        options: Weights.
        pretrained: Parameters that start from trained weights.
    """

    def __init__(
        self,
        visual_stream: Stream,
        text_stream: Stream,
        *,
        bits: tuple[int, ...],
        options: TVDBOptions,
        pretrained: Iterable[nn.Parameter] = (),
    ) -> None:
        super().__init__("image", visual_stream, text_stream)
        self.bits = bits
        self.options = options
        self._pretrained = list(pretrained)

    def pretrained(self) -> Iterable[nn.Parameter]:
        """The tail of the backbone, and the word table where it learns."""
        return self._pretrained

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The objective (key ``loss``) and its terms, unweighted, each a scalar.

        ``agreement`` and ``redundancy`` depend on the codes only and have no gradient: the code steps lower them.
        """
        options = self.options
        f = torch.tanh(self.visual.from_features(batch.visual))
        g = torch.tanh(self.text.from_features(*batch.text))
        similarity = signed_similarity(shared_label(batch.labels), options.similarity)
        b, h = code_steps(
            f,
            g,
            similarity,
            lengths=self.bits,
            eta=options.eta,
            repulsion=options.repulsion,
            steps=options.code_steps,
        )
        terms = {
            "agreement": (1.0, self._nested(lambda m: agreement(b[:, :m], h[:, :m], similarity))),
            "redundancy": (options.repulsion, self._nested(lambda m: redundancy(b[:, :m], h[:, :m]))),
            "image": (options.eta, self._nested(lambda m: (b - f)[:, :m].square().mean())),
            "text": (options.eta, self._nested(lambda m: (h - g)[:, :m].square().mean())),
        }
        if options.pair_weight:
            terms["pair"] = (options.pair_weight, self._nested(lambda m: own_pair(f[:, :m], g[:, :m])))
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return {"loss": total} | {name: term for name, (_, term) in terms.items()}

    def _nested(self, term: Callable[[int], Tensor]) -> Tensor:
        return over_lengths(self.bits, term)


def build_tvdb(config: TrainConfig, data: Data, *, weights: str) -> TVDB:
    """Both streams and the objective.

    Raises:
        InputError: A backbone, weights or a cut that there is not, or more regions than there can be.
    """
    options = config.options
    assert isinstance(options, TVDBOptions)
    assert data.table is not None
    parts = build_region_parts(config, weights)
    words = TextCNN(
        data.table,
        filters=options.filters,
        train_embeddings=config.train_embeddings,
        word_dropout=options.word_dropout,
        average=options.word_average,
    )
    start = copy.deepcopy(words.embedding) if config.train_embeddings else words.embedding
    visual = Stream(
        parts.frozen, parts.trunk, _head(config, parts.width), pooled=parts.pooled, signature=parts.signature
    )
    visual.takes_boxes = options.regions == BOXES
    text = Stream(None, words, _head(config, words.width), pooled=WordAverage(start), signature="words")
    learned = words.embedding.parameters() if config.train_embeddings else ()
    return TVDB(visual, text, bits=config.bits, options=options, pretrained=[*parts.pretrained, *learned])


def _head(config: TrainConfig, width: int) -> HashHead:
    options = config.options
    return HashHead(
        width, options.hidden, config.bits[-1], input_dropout=options.input_dropout, dropout=options.dropout
    )

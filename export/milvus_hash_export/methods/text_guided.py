"""Text-guided image semantic fusion (Gu and Liu, 2023) for images and texts.

A Transformer decoder lets a text query the tokens of its image; the scores of places and text weigh the image feature.
The image stream also imagines its text, so that it encodes alone. See ``docs/methods/text-guided.md``.
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
from milvus_hash_export.checks import check_least, check_positive, check_shares
from milvus_hash_export.losses import SIMILARITY_LOSSES, bit_balance, own_pair, quantisation
from milvus_hash_export.methods.base import Batch, Data, Method, over_lengths, shared_label
from milvus_hash_export.networks.backbones import build_backbone
from milvus_hash_export.networks.clip import PREFIX, clip_backbone
from milvus_hash_export.networks.decoder import TextDecoder
from milvus_hash_export.networks.guided import Guided, GuidedImage, GuidingText, Imagination, Tokens, Whole
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.image import MeanColour, Pool, cut
from milvus_hash_export.networks.score_map import PairScores
from milvus_hash_export.networks.sentence import build_sentence_encoder
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.networks.text import WordAverage

if TYPE_CHECKING:
    from milvus_hash_export.config import TrainConfig


@dataclass(frozen=True, slots=True)
class TextGuidedOptions:
    """The settings of text-guided fusion; its terms and their equations are in ``docs/methods/text-guided.md``.

    Attributes:
        space: Channels of the space that image tokens and texts share.
        decoder_layers: Layers of the decoder.
        decoder_width: Channels inside it.
        decoder_heads: Its attention heads.
        decoder_dropout: Share of its layers' answers hidden in training.
        prototypes: Learned texts that the image stream mixes an imagined text of.
        temperature: Of the softmax over the places of a score map, and of the scores of pairs.
        hidden: Width of the hidden layer in front of each hash layer, and of the one that imagines.
        input_dropout: Share of an embedding's numbers hidden in training.
        dropout: Share of the hidden layer's.
        train_text: Let the sentence encoder learn too; nothing of the text stream is cached then.
        similarity: Similarity loss, see :data:`milvus_hash_export.losses.SIMILARITY_LOSSES`.
        similarity_weight: Of that loss between the codes of images alone and of texts.
        label_weight: Of telling the labels from the code.
        pair_weight: Of finding the own partner among the batch.
        quantisation_weight: Of the distance to -1 and 1.
        balance_weight: Of every bit being set for half of the items.
        guided_weight: Of similarity and labels of the codes that the true captions guide.
        distil_weight: Of the distance from the code of an image alone to that guided code.
        fused_weight: Of telling the labels from the fused feature.
        score_weight: Of telling related from unrelated pairs by their score maps.
        imagine_weight: Of the imagined text finding the true one among the batch.
    """

    space: int = 256
    decoder_layers: int = 1
    decoder_width: int = 256
    decoder_heads: int = 4
    decoder_dropout: float = 0.1
    prototypes: int = 64
    temperature: float = 0.07
    hidden: int = 512
    input_dropout: float = 0.2
    dropout: float = 0.2
    train_text: bool = False
    similarity: str = "likelihood"
    similarity_weight: float = 1.0
    label_weight: float = 1.0
    pair_weight: float = 1.0
    quantisation_weight: float = 0.05
    balance_weight: float = 1.0
    guided_weight: float = 0.5
    distil_weight: float = 1.0
    fused_weight: float = 1.0
    score_weight: float = 0.5
    imagine_weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.similarity not in SIMILARITY_LOSSES:
            raise InputError(f"no similarity loss {self.similarity!r}; there are: {', '.join(SIMILARITY_LOSSES)}")
        check_least(self, 1, "space", "decoder_layers", "decoder_width", "decoder_heads", "prototypes", "hidden")
        if self.decoder_width % self.decoder_heads:
            raise InputError(f"decoder_width {self.decoder_width} is no multiple of decoder_heads {self.decoder_heads}")
        check_positive(self, "temperature")
        check_shares(self)


class TextGuided(Method):
    """Both streams, the teacher, the label classifiers and the objective.

    Args:
        visual_stream: Its trunk is a :class:`GuidedImage`.
        text_stream: Its trunk is a :class:`GuidingText`.
        teacher: Hash layers like the image stream's, for the embeddings that captions guide. They are not shared: the
            batch statistics of the two kinds of embeddings differ, and the image's own must not learn to lean on texts.
        bits: Ascending code lengths, the last one full; each is held to the similarities (nested codes).
        labels: How many labels the data has.
        options: Losses and weights.
        pretrained: Parameters that start from trained weights.
    """

    def __init__(
        self,
        visual_stream: Stream,
        text_stream: Stream,
        teacher: nn.Module,
        *,
        bits: tuple[int, ...],
        labels: int,
        options: TextGuidedOptions,
        pretrained: Iterable[nn.Parameter] = (),
    ) -> None:
        super().__init__("image", visual_stream, text_stream)
        assert isinstance(visual_stream.trunk, GuidedImage)
        assert isinstance(text_stream.trunk, GuidingText)
        self.teacher = teacher
        self.bits = bits
        self.options = options
        self.similarity = SIMILARITY_LOSSES[options.similarity]
        self.classifier = nn.Linear(bits[-1], labels)
        self.fusion = nn.Linear(2 * options.space, labels)
        self.pair_scores = PairScores(options.temperature)
        self._pretrained = list(pretrained)

    def pretrained(self) -> Iterable[nn.Parameter]:
        """The tail of the backbone, and the sentence encoder where it learns."""
        return self._pretrained

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The objective (key ``loss``) and its terms, unweighted, each a scalar."""
        trunk, reader = self.visual.trunk, self.text.trunk
        assert isinstance(trunk, GuidedImage)
        assert isinstance(reader, GuidingText)
        embedding = self.text.embed(*batch.text)
        texts, v = reader.shared(embedding), torch.tanh(self.text.head(embedding))
        tokens = trunk.read(batch.visual)
        imagined = trunk.imagine(tokens[:, 0])
        seen = trunk.guide(tokens, torch.stack([imagined, texts], dim=1))
        alone = torch.tanh(self.visual.head(seen.embedding[:, 0]))
        guided = torch.tanh(self.teacher(seen.embedding[:, 1]))
        terms = self._codes(alone, v, batch.labels) | self._guidance(guided, v, batch.labels, alone)
        terms |= self._fusion(seen, texts, imagined, batch.labels)
        total = torch.stack([getattr(self.options, f"{name}_weight") * term for name, term in terms.items()]).sum()
        return {"loss": total} | terms

    def _codes(self, u: Tensor, v: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """What the codes that are served must be."""
        return {
            "similarity": self._nested(u, v, labels),
            "label": _told(self.classifier(u), labels) + _told(self.classifier(v), labels),
            "pair": own_pair(u, v),
            "quantisation": quantisation(u) + quantisation(v),
            "balance": bit_balance(u) + bit_balance(v),
        }

    def _guidance(self, guided: Tensor, v: Tensor, labels: Tensor, alone: Tensor) -> dict[str, Tensor]:
        """What the codes that the captions guide must be, and what they teach."""
        told = _told(self.classifier(guided), labels)
        return {
            "guided": self._nested(guided, v, labels) + told,
            "distil": (alone - guided.detach()).square().mean(),
        }

    def _fusion(self, seen: Guided, texts: Tensor, imagined: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """What the features must be before they are codes."""
        fused = torch.cat([seen.scored[:, 1], seen.texts[:, 1]], dim=1)
        return {
            "fused": _told(self.fusion(fused), labels),
            "score": self.pair_scores(seen.places, texts, shared_label(labels)),
            "imagine": own_pair(imagined, texts),
        }

    def _nested(self, u: Tensor, v: Tensor, labels: Tensor) -> Tensor:
        """The similarity loss, averaged over the code lengths."""
        similar = shared_label(labels)
        return over_lengths(self.bits, lambda length: self.similarity(u[:, :length], v[:, :length], similar))


def _told(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the labels told, summed over the labels, whose number must not change its weight."""
    return binary_cross_entropy_with_logits(logits, labels) * labels.shape[1]


def build_text_guided(config: TrainConfig, data: Data, *, weights: str) -> TextGuided:
    """Both streams and the objective.

    Raises:
        InputError: A backbone, a sentence encoder, weights or a cut that there is not.
    """
    options = config.options
    assert isinstance(options, TextGuidedOptions)
    visual, tail = _visual(config, options, weights)
    text, encoder = _text(config, options, weights)
    assert isinstance(visual.trunk, GuidedImage)
    return TextGuided(
        visual,
        text,
        _head(config, visual.trunk.width),
        bits=config.bits,
        labels=data.labels,
        options=options,
        pretrained=[*tail, *encoder],
    )


def _visual(config: TrainConfig, options: TextGuidedOptions, weights: str) -> tuple[Stream, list[nn.Parameter]]:
    """The image stream, and what of its backbone learns."""
    clip = config.backbone.startswith(PREFIX)
    if clip:
        backbone = clip_backbone(config.backbone.removeprefix(PREFIX), weights=weights, size=config.image_size)
    else:
        backbone = build_backbone(config.backbone, weights=weights, size=config.image_size)
    frozen, tail = cut(backbone, config.unfreeze)
    learns, units = config.unfreeze, len(backbone.units)
    trunk = GuidedImage(
        tail,
        width=backbone.width,
        space=options.space,
        imagine=Imagination(
            backbone.width,
            options.space,
            prototypes=options.prototypes,
            hidden=options.hidden,
            dropout=options.dropout,
        ),
        decoder=TextDecoder(
            options.space,
            width=options.decoder_width,
            layers=options.decoder_layers,
            heads=options.decoder_heads,
            dropout=options.decoder_dropout,
        ),
        temperature=options.temperature,
    )
    if learns == units:
        pooled: nn.Module = MeanColour()
    else:
        pooled = Whole() if clip or not learns else Pool()
    stream = Stream(
        frozen if learns else nn.Sequential(frozen, Tokens()),
        trunk,
        _head(config, trunk.width),
        pooled=pooled,
        signature=f"{config.backbone} {weights}, tokens of units 1 to {units - learns}",
    )
    return stream, list(tail.parameters())


def _text(config: TrainConfig, options: TextGuidedOptions, weights: str) -> tuple[Stream, list[nn.Parameter]]:
    """The text stream, and what of its sentence encoder learns."""
    encoder = build_sentence_encoder(config.embeddings, weights=weights, length=config.text_length)
    learns = options.train_text
    trunk = GuidingText(encoder if learns else nn.Identity(), width=encoder.width, space=options.space)
    stream = Stream(
        None if learns else encoder,
        trunk,
        _head(config, trunk.width),
        pooled=WordAverage(copy.deepcopy(encoder.words)) if learns else nn.Identity(),
        signature=f"{config.embeddings} {weights}",
    )
    return stream, list(encoder.parameters()) if learns else []


def _head(config: TrainConfig, width: int) -> HashHead:
    options = config.options
    return HashHead(
        width, options.hidden, config.bits[-1], input_dropout=options.input_dropout, dropout=options.dropout
    )

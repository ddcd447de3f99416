"""From a config to networks."""

from __future__ import annotations

from torch import Tensor

from milvus_hash.errors import InputError
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.methods.dsmhn import DSMHN, Weights
from milvus_hash_export.networks.backbones import build_backbone
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.image import ImageHash
from milvus_hash_export.networks.text import TextHash, text_width

METHODS = ("dsmhn",)


def build_image(config: TrainConfig, *, weights: str) -> ImageHash:
    """The image stream; ``weights`` as in :func:`build_backbone`."""
    backbone = build_backbone(config.backbone, weights=weights, size=config.image_size)
    if not 0 <= config.unfreeze < len(backbone.units):
        raise InputError(f"unfreeze is {config.unfreeze}; {config.backbone} allows 0 to {len(backbone.units) - 1}")
    return ImageHash(backbone, _head(config, backbone.width), unfreeze=config.unfreeze)


def build_text(config: TrainConfig, table: Tensor) -> TextHash:
    """The text stream, starting from the word table ``(words, embedding_dim)``."""
    return TextHash(
        table,
        _head(config, text_width(config.embedding_dim, config.filters)),
        filters=config.filters,
        train_embeddings=config.train_embeddings,
        word_dropout=config.word_dropout,
    )


def build_method(config: TrainConfig, table: Tensor, labels: int, *, weights: str) -> DSMHN:
    """Both streams and the objective.

    Raises:
        InputError: There is no such method.
    """
    if config.method not in METHODS:
        raise InputError(f"no method {config.method!r}; there are: {', '.join(METHODS)}")
    return DSMHN(
        build_image(config, weights=weights),
        build_text(config, table),
        bits=config.bits,
        labels=labels,
        similarity=config.similarity,
        weights=Weights(
            similarity=config.similarity_weight,
            intra=config.intra_weight,
            labels=config.label_weight,
            pair=config.pair_weight,
            quantisation=config.quantisation_weight,
            balance=config.balance_weight,
        ),
    )


def _head(config: TrainConfig, width: int) -> HashHead:
    return HashHead(
        width,
        config.hidden,
        config.bits[-1],
        input_dropout=config.input_dropout,
        dropout=config.dropout,
    )

"""Sentence encoders in the hub's layout: tokens to one vector, by a mean over the tokens or at CLIP's end token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from milvus_hash.errors import InputError
from milvus_hash.extras import require
from milvus_hash_export.networks.backbones import RANDOM
from milvus_hash_export.networks.clip import load_clip
from milvus_hash_export.tokens import encoder_folder


class SentenceEncoder(nn.Module):
    """A Transformer encoder with the mean of its last states: the usual sentence encoder.

    Attributes:
        width: Numbers per vector.

    Args:
        model: Gives ``last_hidden_state`` of ``input_ids`` and ``attention_mask``.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (transformers.PreTrainedModel)
        super().__init__()
        self.model = model
        self.width: int = model.config.hidden_size

    @property
    def words(self) -> nn.Embedding:
        """The word table."""
        table: nn.Embedding = self.model.get_input_embeddings()
        return table

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors float ``(n, width)`` of tokens int64 ``(n, L)``; masked tokens have no influence."""
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        keep = attention_mask.unsqueeze(2).to(states.dtype)
        return normalize((states * keep).sum(1) / keep.sum(1).clamp(min=1), dim=1)


class ClipTextEncoder(nn.Module):
    """CLIP's text tower: the projected state at the end token.

    Attributes:
        width: Numbers per vector, those of the image tower's tokens too.

    Args:
        model: A ``transformers.CLIPModel``; its text half is kept.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (transformers.CLIPModel)
        super().__init__()
        self.model = model.text_model
        self.projection = model.text_projection
        self.width: int = model.config.projection_dim

    @property
    def words(self) -> nn.Embedding:
        """The word table."""
        table: nn.Embedding = self.model.get_input_embeddings()
        return table

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors float ``(n, width)`` of tokens int64 ``(n, L)``; what follows the end token has no influence."""
        pooled = self.model(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        return normalize(self.projection(pooled), dim=1)


def build_sentence_encoder(name: str, *, weights: str, length: int) -> SentenceEncoder | ClipTextEncoder:
    """The sentence encoder ``name``.

    Args:
        name: A folder in the hub's layout, an installed package that holds one, or a name on the hub.
        weights: ``random`` builds the network of the checkpoint's configuration without reading its weights.
        length: Tokens per text.

    Raises:
        InputError: No name, none that can be read, or texts longer than it has positions for.
    """
    if not name:
        raise InputError("embeddings is empty; this method needs a sentence encoder: a folder, a package or a hub name")
    transformers = require("transformers", "export")
    source = encoder_folder(name)
    try:
        config = transformers.AutoConfig.from_pretrained(source)
        positions = getattr(config, "text_config", config).max_position_embeddings
        if length > positions:
            raise InputError(f"text_length is {length}; {name} has {positions} positions")
        if config.model_type == "clip":
            return ClipTextEncoder(load_clip(name, weights="random" if weights == RANDOM else "imagenet"))
        if weights == RANDOM:
            return SentenceEncoder(transformers.AutoModel.from_config(config))
        return SentenceEncoder(transformers.AutoModel.from_pretrained(source, dtype=torch.float32))
    except OSError as error:
        raise InputError(f"no sentence encoder {name!r}: {error}") from error

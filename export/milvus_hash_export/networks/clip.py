"""CLIP's image tower as a backbone: a row of units from normalised pixels to tokens, the whole image first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from milvus_hash.errors import InputError
from milvus_hash.extras import require
from milvus_hash_export.networks.backbones import IMAGENET, RANDOM, Backbone
from milvus_hash_export.tokens import encoder_folder

PREFIX = "clip:"  # of ``TrainConfig.backbone``: the folder, package or hub name follows
# OPENAI_CLIP_MEAN and OPENAI_CLIP_STD of transformers, on the scale of 0..255
_MEAN = (0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255)
_STD = (0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255)


def clip_backbone(name: str, *, weights: str, size: int) -> Backbone:
    """The image tower of the CLIP checkpoint ``name``, as units: patches, every layer, projection.

    The last unit gives tokens float ``(n, 1 + h * w, width)`` in CLIP's shared space, the whole image first. As in
    DenseCLIP (Rao et al., CVPR 2022) the projection, which CLIP applies to the first token only, is applied to all.

    Args:
        name: A folder in the hub's layout, an installed package that holds one, or a name on the hub.
        weights: ``random`` for none; else the checkpoint's own.
        size: Side of the picture; must be the one that the checkpoint was trained with.

    Raises:
        InputError: Another size, or not a CLIP checkpoint.
    """
    model = load_clip(name, weights=weights)
    vision = model.vision_model
    wanted = model.config.vision_config.image_size
    if size != wanted:
        raise InputError(f"image_size is {size}; {PREFIX}{name} needs {wanted}")
    layers = [_Layer(layer) for layer in vision.encoder.layers]
    last = nn.Sequential(vision.post_layernorm, model.visual_projection)
    first = nn.Sequential(vision.embeddings, vision.pre_layrnorm)
    return Backbone([first, *layers, last], model.config.projection_dim, _MEAN, _STD)


def load_clip(name: str, *, weights: str) -> Any:  # noqa: ANN401 (transformers.CLIPModel, imported when needed)
    """``transformers.CLIPModel`` of a checkpoint in float32.

    Args:
        name: As in :func:`clip_backbone`.
        weights: ``random`` builds the network of the checkpoint's configuration without reading its weights.

    Raises:
        InputError: The folder or name cannot be read, is no CLIP checkpoint, or ``weights`` names another file.
    """
    if weights not in (IMAGENET, RANDOM):
        raise InputError(f"weights is {weights!r}; a CLIP checkpoint brings its own: leave it at {IMAGENET!r}")
    transformers = require("transformers", "export")
    source = encoder_folder(name)
    try:
        config = transformers.AutoConfig.from_pretrained(source)
        if config.model_type != "clip":
            raise InputError(f"{name} is a {config.model_type} checkpoint, not a CLIP one")
        if weights == RANDOM:
            return transformers.CLIPModel(config)
        return transformers.CLIPModel.from_pretrained(source, dtype=torch.float32)
    except OSError as error:
        raise InputError(f"no CLIP checkpoint {name!r}: {error}") from error


class _Layer(nn.Module):
    """One layer of the encoder as a module of one input: pictures have no mask."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(n, m, hidden)`` to tokens."""
        out: Tensor = self.layer(tokens, attention_mask=None)
        return out

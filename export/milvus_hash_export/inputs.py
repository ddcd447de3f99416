"""What the graphs of a run take: one place that knows sizes and resize rules from the settings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from milvus_hash.bundle import ImageInput, TextInput, VideoInput
from milvus_hash.media.image import load_image
from milvus_hash_export.config import TrainConfig


def graph_inputs(config: TrainConfig, visual: str) -> dict[str, ImageInput | VideoInput | TextInput]:
    """By modality, how the raw input of its graph is made."""
    return {visual: visual_input(config, visual), "text": TextInput(config.text_length)}


def visual_input(config: TrainConfig, visual: str) -> ImageInput | VideoInput:
    """How a picture or a clip becomes pixels."""
    if visual == "image":
        return ImageInput(config.image_size, config.resize)
    return VideoInput(config.image_size, config.resize, config.frames)


def load_visual(source: str, target: ImageInput | VideoInput) -> NDArray[np.uint8]:
    """Pixels uint8 ``(size, size, 3)`` of a picture, ``(frames, size, size, 3)`` of a clip.

    Raises:
        InputError: It cannot be decoded.
    """
    if isinstance(target, ImageInput):
        return load_image(source, target)
    from milvus_hash.media.video import load_video

    return load_video(source, target)

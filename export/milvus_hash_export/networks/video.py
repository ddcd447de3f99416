"""Video networks: a 3-D CNN over the frames, or a 2-D backbone on each frame with a 3-D block on top."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from milvus_hash.errors import InputError
from milvus_hash.extras import require
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.networks.backbones import BACKBONES, RANDOM, Backbone, Normalise, build_backbone
from milvus_hash_export.networks.image import FixedStatistics
from milvus_hash_export.networks.stream import Parts

KINETICS = "kinetics400"
_GRID = 3  # places per side that are kept of a frame's map: 8 frames of 1,280 channels are 184 kB, 49 places 1 MB
_CHANNELS = 128  # of the block that learns on top of a 2-D backbone
# the statistics of torchvision's Kinetics weights, on the scale of 0..255
_MEAN = (110.201, 100.640, 95.997)
_STD = (58.148, 56.470, 55.332)


def build_video_parts(config: TrainConfig, weights: str) -> Parts:
    """The video network that ``config.backbone`` names.

    ``r3d_18``, ``mc3_18`` and ``r2plus1d_18`` (Tran et al. 2018, torchvision) see space and time at once; their last
    ``config.unfreeze`` units learn, all of them if it is the number of units. An image backbone sees every frame
    alone and stays frozen; a block of 3-D convolutions that learns sees its maps over time.

    Args:
        config: ``backbone``, ``unfreeze`` and ``image_size`` count.
        weights: ``random``, the path of a state dict, or the published ones: ``kinetics400`` for a 3-D network (it
            comes from the network), ``imagenet`` for an image backbone.

    Raises:
        InputError: No such backbone or weights, or more units to unfreeze than there are.
        MissingExtra: The package that holds the backbone is not installed.
    """
    name = config.backbone
    if name in VIDEO_BACKBONES:
        return _space_time(VIDEO_BACKBONES[name](weights), config.unfreeze, f"{name} {weights}")
    if name not in BACKBONES:
        known = ", ".join([*sorted(VIDEO_BACKBONES), *sorted(BACKBONES)])
        raise InputError(f"no video backbone {name!r}; there are: {known}")
    if config.unfreeze:
        raise InputError(
            f"unfreeze is {config.unfreeze}; for videos {name} stays frozen (0): "
            f"to train a backbone end to end take {', '.join(sorted(VIDEO_BACKBONES))}"
        )
    backbone = build_backbone(name, weights=weights, size=config.image_size)
    signature = f"{name} {weights} by frame at {config.image_size}, grid {_GRID}"
    trunk = MotionBlock(backbone.width)
    return Parts(PerFrame(backbone), trunk, trunk.width, SpaceTimePool(), signature)


def _space_time(backbone: Backbone, unfreeze: int, name: str) -> Parts:
    """Cut a 3-D network: with nothing to learn its features are vectors, with everything they are the pixels."""
    units = backbone.units
    if not 0 <= unfreeze <= len(units):
        raise InputError(f"unfreeze is {unfreeze}; this video backbone allows 0 to {len(units)}")
    cut = len(units) - unfreeze
    normalise = NormaliseVideo(backbone.mean, backbone.std)
    signature = f"{name}, units 1 to {cut}"
    if unfreeze == 0:
        return Parts(
            nn.Sequential(normalise, *units, SpaceTimePool()),
            nn.Identity(),
            backbone.width,
            nn.Identity(),
            signature,
        )
    tail = FixedStatistics(*units[cut:], SpaceTimePool())
    pretrained = tuple(tail.parameters())
    if cut == 0:
        return Parts(
            nn.Identity(), FixedStatistics(normalise, *tail), backbone.width, PixelMean(), "pixels", pretrained
        )
    frozen = nn.Sequential(normalise, *units[:cut])
    return Parts(frozen, tail, backbone.width, SpaceTimePool(), signature, pretrained)


def _torchvision(name: str, published: str, weights: str) -> Backbone:
    """Torchvision's network ``name`` with 18 layers, as its stem and its eight residual blocks."""
    models = require("torchvision.models.video", "export")
    if weights not in (KINETICS, RANDOM) and not Path(weights).is_file():
        raise InputError(f"weights {weights!r} is not a file; for {name} give a path, {KINETICS!r} or {RANDOM!r}")
    net: Any = getattr(models, name)(weights=getattr(models, published).KINETICS400_V1 if weights == KINETICS else None)
    if weights not in (KINETICS, RANDOM):
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    blocks = [block for layer in (net.layer1, net.layer2, net.layer3, net.layer4) for block in layer]
    return Backbone([net.stem, *blocks], 512, _MEAN, _STD)


VIDEO_BACKBONES: dict[str, Callable[[str], Backbone]] = {
    "r3d_18": lambda weights: _torchvision("r3d_18", "R3D_18_Weights", weights),
    "mc3_18": lambda weights: _torchvision("mc3_18", "MC3_18_Weights", weights),
    "r2plus1d_18": lambda weights: _torchvision("r2plus1d_18", "R2Plus1D_18_Weights", weights),
}


class NormaliseVideo(nn.Module):
    """Pixels uint8 ``(n, F, H, W, 3)`` to float ``(n, 3, F, H, W)`` as the backbone was trained on."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1, 1), persistent=False)

    def forward(self, video: Tensor) -> Tensor:
        """Normalised pixels, channels first."""
        return (video.permute(0, 4, 1, 2, 3).float() - self.mean) / self.std


class SpaceTimePool(nn.Module):
    """The average of maps ``(n, c, F, h, w)`` over frames and places: ``(n, c)``."""

    def forward(self, maps: Tensor) -> Tensor:
        """Average over frames, height and width."""
        return maps.mean(dim=(2, 3, 4))


class PixelMean(nn.Module):
    """The average colour of videos uint8 ``(n, F, H, W, 3)`` in 0..1: ``(n, 3)``."""

    def forward(self, video: Tensor) -> Tensor:
        """Average over frames, height and width."""
        return video.float().mean(dim=(1, 2, 3)) / 255


class PerFrame(nn.Module):
    """Videos uint8 ``(n, F, H, W, 3)`` to the maps of a 2-D backbone, ``(n, c, F, g, g)`` with g of at most 3.

    The maps are averaged down to 3 x 3 windows, so that the features of a thousand videos fit in memory: a block
    on top learns what moves where, for which ninths of a frame are enough.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.layers = nn.Sequential(Normalise(backbone.mean, backbone.std), *backbone.units)

    def forward(self, video: Tensor) -> Tensor:
        """Maps of every frame, frames on the third axis."""
        maps: Tensor = self.layers(video.flatten(0, 1))
        side = maps.shape[-1]
        step = max(1, side // _GRID)
        window = max(1, side - (_GRID - 1) * step)  # 7 places: windows of 3 that start 2 apart
        small = avg_pool2d(maps, window, step)
        return small.reshape(*video.shape[:2], *small.shape[1:]).transpose(1, 2)


class MotionBlock(nn.Module):
    """Maps ``(n, c, F, g, g)`` to embeddings ``(n, width)``: what the frames show and how it moves.

    A 1 x 1 x 1 and a 3 x 3 x 3 convolution with batch normalisation, averaged over frames and places; the average of
    the maps themselves stands beside it, so that the block has to learn only what frames alone do not tell.

    Args:
        channels: Channels c of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = channels + _CHANNELS
        self.block = nn.Sequential(*_convolution(channels, _CHANNELS, 1), *_convolution(_CHANNELS, _CHANNELS, 3))

    def forward(self, maps: Tensor) -> Tensor:
        """Embeddings of maps."""
        return torch.cat([maps.mean(dim=(2, 3, 4)), self.block(maps).mean(dim=(2, 3, 4))], dim=1)


def _convolution(channels: int, out: int, size: int) -> list[nn.Module]:
    convolution = nn.Conv3d(channels, out, size, padding=size // 2, bias=False)
    return [convolution, nn.BatchNorm3d(out), nn.ReLU()]

"""Pictures: a backbone cut between what is frozen and what learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from milvus_hash.errors import InputError
from milvus_hash_export.networks.backbones import Backbone, Normalise, build_backbone
from milvus_hash_export.networks.stream import Parts

if TYPE_CHECKING:
    from milvus_hash_export.config import TrainConfig


def build_image_parts(config: TrainConfig, weights: str) -> Parts:
    """The image network that ``config.backbone`` names, cut by ``config.unfreeze``.

    Args:
        config: ``backbone``, ``image_size`` and ``unfreeze`` count.
        weights: As in :func:`milvus_hash_export.networks.backbones.build_backbone`.

    Raises:
        InputError: No such backbone or weights, or more units to unfreeze than there are.
    """
    backbone = build_backbone(config.backbone, weights=weights, size=config.image_size)
    frozen, tail = cut(backbone, config.unfreeze)
    signature = f"{config.backbone} {weights}, units 1 to {len(backbone.units) - config.unfreeze}"
    if not config.unfreeze:
        return Parts(nn.Sequential(frozen, Pool()), nn.Identity(), backbone.width, nn.Identity(), signature)
    trunk = nn.Sequential(tail, Pool())
    if config.unfreeze == len(backbone.units):
        return Parts(frozen, trunk, backbone.width, MeanColour(), "pixels", tuple(tail.parameters()))
    return Parts(frozen, trunk, backbone.width, Pool(), signature, tuple(tail.parameters()))


def cut(backbone: Backbone, unfreeze: int) -> tuple[nn.Sequential, nn.Sequential]:
    """The frozen part and the tail that learns, which together make maps ``(n, width, h, w)`` of raw pixels.

    Args:
        backbone: Its units are shared out, not copied.
        unfreeze: How many of the last units learn. 0: the tail is empty, so that the frozen part gives the maps. All:
            the frozen part is empty and gives the pixels uint8 ``(n, H, W, 3)`` back.

    Raises:
        InputError: The backbone has fewer units.
    """
    count = len(backbone.units)
    if not 0 <= unfreeze <= count:
        raise InputError(f"unfreeze is {unfreeze}; this backbone allows 0 to {count}")
    normalise = Normalise(backbone.mean, backbone.std)
    if unfreeze == count:
        return nn.Sequential(), FixedStatistics(normalise, *backbone.units)
    return nn.Sequential(normalise, *backbone.units[: count - unfreeze]), FixedStatistics(
        *backbone.units[count - unfreeze :]
    )


class FixedStatistics(nn.Sequential):
    """Pretrained layers that learn while their batch normalisation keeps the statistics it was published with.

    A few thousand pictures in batches of some dozens are too few to estimate them anew.
    """

    def train(self, mode: bool = True) -> FixedStatistics:
        """Stay in evaluation mode; parameters learn in it too."""
        super().train(False)
        return self


class Pool(nn.Module):
    """The average of a feature map ``(n, c, h, w)`` over its places: ``(n, c)``."""

    def forward(self, features: Tensor) -> Tensor:
        """Average over height and width."""
        return features.mean(dim=(2, 3))


class MeanColour(nn.Module):
    """The average colour of pictures uint8 ``(n, H, W, 3)`` in 0..1: ``(n, 3)``."""

    def forward(self, image: Tensor) -> Tensor:
        """Average over height and width."""
        return image.float().mean(dim=(1, 2)) / 255

"""Views of a picture or a clip: as it is, then random crops."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

_SMALLEST_CROP = 0.65  # of the side; smaller ones cut the motif off


def make_view(pixels: Tensor, view: int, generator: torch.Generator) -> Tensor:
    """View number ``view`` of pixels uint8 ``(n, ..., H, W, 3)``: 0 as they are, the others random crops.

    All frames of a clip are cropped alike.
    """
    if view == 0:
        return pixels
    return torch.stack([_crop(item, generator) for item in pixels])


def _crop(item: Tensor, generator: torch.Generator) -> Tensor:
    """A random square of ``item (..., H, W, 3)``, half of the time mirrored, at the item's size."""
    frames = item.flatten(0, -4) if item.ndim > 3 else item[None]  # (frames, H, W, 3)
    size = frames.shape[1]
    side = round(size * (_SMALLEST_CROP + (1 - _SMALLEST_CROP) * float(torch.rand(1, generator=generator))))
    top, left = torch.randint(0, size - side + 1, (2,), generator=generator).tolist()
    square = frames[:, top : top + side, left : left + side]
    if torch.rand(1, generator=generator) < 0.5:
        square = square.flip(2)
    large = interpolate(square.permute(0, 3, 1, 2).float(), (size, size), mode="bilinear")
    return large.permute(0, 2, 3, 1).round().to(torch.uint8).view(item.shape)

"""Regions of a picture: windows of a grid or given boxes, and what the backbone's map has in them.

Boxes are float ``(n, k, 4)``: left, top, right, bottom as shares of the width and height of the input square, 0 to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

_SIDES = (0.75, 0.5, 0.35)  # of the windows, which lie half a side apart
MOST_WINDOWS = 4 + 9 + 25  # that makes
_SAMPLES = 4  # points per side of a region that RoIAlign averages
_BEHIND = 1e3  # moves a box behind every other, whatever its score
_SMALLEST = 1 / 64  # side of a box; smaller ones hold nothing


def windows() -> Tensor:
    """The windows of the grid, float ``(38, 4)``: large ones first, then from top left to bottom right."""
    boxes = []
    for side in _SIDES:
        count = round((1 - side) / (side / 2)) + 1
        places = torch.linspace(0, 1 - side, count)
        boxes += [torch.stack([x, y, x + side, y + side]) for y in places for x in places]
    return torch.stack(boxes)


def region_features(maps: Tensor, boxes: Tensor) -> Tensor:
    """RoIAlign, averaged over each region: maps ``(n, c, h, w)`` and boxes ``(n, k, 4)`` to float ``(n, k, c)``."""
    n, k = boxes.shape[:2]
    height, width = maps.shape[2:]
    size = torch.tensor([width, height, width, height], dtype=maps.dtype, device=maps.device)
    picture = torch.arange(n, dtype=maps.dtype, device=maps.device).view(n, 1, 1).expand(n, k, 1)
    rois = torch.cat([picture, boxes * size], dim=2).reshape(-1, 5)
    aligned: Tensor = roi_align(maps, rois, output_size=1, sampling_ratio=_SAMPLES, aligned=True)
    return aligned.reshape(n, k, -1)


def overlap(box: Tensor, boxes: Tensor) -> Tensor:
    """Intersection over union of one box ``(n, 1, 4)`` and others ``(n, k, 4)``: ``(n, k)``."""
    corner = torch.maximum(box[..., :2], boxes[..., :2])
    shared = (torch.minimum(box[..., 2:], boxes[..., 2:]) - corner).clamp(min=0).prod(dim=2)
    return shared / (area(box) + area(boxes) - shared).clamp(min=1e-9)


def area(boxes: Tensor) -> Tensor:
    """Areas ``(n, k)`` of boxes ``(n, k, 4)``, as shares of the picture's."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=2)


def pick(boxes: Tensor, scores: Tensor, count: int, most: float) -> Tensor:
    """The ``count`` boxes of highest score, best first, none of which overlaps a better one by more than ``most``.

    Greedy non-maximum suppression with a fixed number of steps, each picture by itself. Suppressed boxes are not
    dropped but come last, so that there are always ``count``. A score above 1000 is out of the reach of suppression.

    Args:
        boxes: ``(n, k, 4)``, ``k`` at least ``count``.
        scores: ``(n, k)``.
        count: How many.
        most: Intersection over union from which a box is suppressed.
    """
    chosen = []
    for _ in range(count):
        best = scores.argmax(dim=1, keepdim=True)
        box = boxes.gather(1, best.unsqueeze(2).expand(-1, -1, 4))
        chosen.append(box)
        scores = scores - _BEHIND * ((overlap(box, boxes) > most) & (scores < _BEHIND))
        scores = scores.scatter(1, best, -torch.inf)
    return torch.cat(chosen, dim=1)


class Grid(nn.Module):
    """The windows of a grid in which a feature map is most active, from dominant to minor.

    A window's dominance is how far its energy (mean square over the channels) lies above the picture's mean, in units
    of that mean, times the root of its area: the significance of its mean if the energies were independent. Small
    windows must be much more active than large ones to win.

    Args:
        count: Regions per picture.
        most: See :func:`pick`.
    """

    boxes: Tensor
    prior: Tensor

    def __init__(self, count: int, most: float) -> None:
        super().__init__()
        self.count = count
        self.most = most
        boxes = windows()
        self.register_buffer("boxes", boxes, persistent=False)
        # a blank picture has no dominant window: rounding must not choose, the order of the windows does
        self.register_buffer("prior", -1e-3 * torch.arange(len(boxes)), persistent=False)

    def forward(self, maps: Tensor, given: Tensor | None = None) -> Tensor:
        """Boxes ``(n, count, 4)`` for maps ``(n, c, h, w)``.

        Args:
            maps: Of the backbone.
            given: Boxes ``(n, k, 4)`` to be preferred in their order. Those outside the picture are clipped; a row
                of zeros, or what is left of a box without an area, stands for no box, and windows take its place.
        """
        energy = maps.square().mean(dim=1, keepdim=True)
        average = energy.mean(dim=(2, 3))
        boxes = self.boxes.expand(maps.shape[0], -1, -1)
        active = region_features(energy, boxes).squeeze(2)
        scores = (active - average) / average.clamp(min=1e-9) * area(boxes).sqrt() + self.prior
        if given is not None:
            given = given.to(boxes.dtype).clamp(0, 1)
            real = ((given[..., 2:] - given[..., :2]) > _SMALLEST).all(dim=2)
            order = 2 * _BEHIND - torch.arange(given.shape[1], device=given.device)
            boxes = torch.cat([given.nan_to_num(), boxes], dim=1)
            scores = torch.cat([torch.where(real, order, -_BEHIND * len(self.boxes)), scores], dim=1)
        return pick(boxes, scores, self.count, self.most)


class RegionSteps(nn.Module):
    """Maps and boxes to the steps of a sequence, float ``(n, k + 1, c + 4)``.

    A step holds a region's features and its normalised position: centre x, centre y, width, height. The last step is
    the whole picture, with the plain average of the map.
    """

    def forward(self, maps: Tensor, boxes: Tensor) -> Tensor:
        """Steps of maps ``(n, c, h, w)`` and boxes ``(n, k, 4)``, in the order of the boxes."""
        centre, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
        regions = torch.cat([region_features(maps, boxes), centre, size], dim=2)
        place = torch.tensor([0.5, 0.5, 1.0, 1.0], dtype=maps.dtype, device=maps.device)
        whole = torch.cat([maps.mean(dim=(2, 3)), place.expand(maps.shape[0], 4)], dim=1)
        return torch.cat([regions, whole.unsqueeze(1)], dim=1)


class WholePicture(nn.Module):
    """The whole picture's features ``(n, c)`` out of :class:`RegionSteps`: what the backbone alone gives."""

    def forward(self, steps: Tensor) -> Tensor:
        """The last step without its position."""
        return steps[:, -1, :-4]

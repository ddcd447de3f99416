"""Pictures as sequences of regions: the parts of the image stream of TVDB, next to its head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from milvus_hash.errors import InputError
from milvus_hash_export.networks.backbones import RANDOM, build_backbone
from milvus_hash_export.networks.image import MeanColour, Pool, cut
from milvus_hash_export.networks.proposals import NONE, Proposals
from milvus_hash_export.networks.region_lstm import RegionLSTM
from milvus_hash_export.networks.regions import MOST_WINDOWS, Grid, RegionSteps, WholePicture
from milvus_hash_export.networks.stream import Parts

if TYPE_CHECKING:
    from milvus_hash_export.config import TrainConfig

GRID, RPN, BOXES = "grid", "rpn", "boxes"
REGIONS = (GRID, RPN, BOXES)


class ImageRegions(nn.Module):
    """Pictures uint8 ``(n, H, W, 3)``, or whatever ``backbone`` takes, to steps float ``(n, k + 1, c + 4)``.

    The step of a region is described at :class:`~milvus_hash_export.networks.regions.RegionSteps`.

    Args:
        backbone: Makes the maps ``(n, c, h, w)``.
        grid: Chooses windows, or takes given boxes.
        proposals: Chooses boxes instead, from the pictures.
    """

    def __init__(self, backbone: nn.Module, grid: Grid, proposals: Proposals | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.grid = grid
        self.proposals = proposals
        self.steps = RegionSteps()

    def forward(self, image: Tensor, boxes: Tensor | None = None) -> Tensor:
        """Steps of pictures; ``boxes (n, m, 4)`` are preferred to windows."""
        maps = self.backbone(image).float()
        chosen = self.proposals(image) if self.proposals is not None else self.grid(maps.detach(), boxes)
        steps: Tensor = self.steps(maps, chosen)
        return steps


def build_region_parts(config: TrainConfig, weights: str) -> Parts:
    """The image network that ``config`` describes: regions of a backbone's map, and an LSTM over them.

    Args:
        config: ``backbone``, ``image_size``, ``unfreeze`` and the options of TVDB count.
        weights: As in :func:`milvus_hash_export.networks.backbones.build_backbone`; with ``random`` the detector starts
            at random too, because a checkpoint overwrites it.

    Raises:
        InputError: A backbone, weights or a cut that there is not, or more regions than the grid has windows.
    """
    options = config.options
    count, most = options.region_count, options.region_overlap
    if options.regions != RPN and count > MOST_WINDOWS:
        raise InputError(f"region_count is {count}; the grid has {MOST_WINDOWS} windows, so at most that many")
    if config.unfreeze and options.regions != GRID:
        raise InputError(
            f"unfreeze is {config.unfreeze} and regions is {options.regions!r}; units that learn need the regions of "
            f"maps that change, so set regions to {GRID!r}, or unfreeze to 0"
        )
    backbone = build_backbone(config.backbone, weights=weights, size=config.image_size)
    frozen, tail = cut(backbone, config.unfreeze)
    signature = f"{config.backbone} {weights}, units 1 to {len(backbone.units) - config.unfreeze}"
    lstm = RegionLSTM(
        backbone.width, options.lstm, position_copies=options.position_copies, dropout=options.region_dropout
    )
    width, grid = 2 * options.lstm, Grid(count, most)
    if config.unfreeze:
        pooled = MeanColour() if config.unfreeze == len(backbone.units) else Pool()
        trunk = nn.Sequential(ImageRegions(tail, grid), lstm)
        return Parts(frozen, trunk, width, pooled, signature, tuple(tail.parameters()))
    proposals = None
    if options.regions == RPN:
        source = NONE if weights == RANDOM else options.rpn_weights
        proposals = Proposals(config.image_size, count, most, weights=source)
    signature += f", {count} regions: {options.regions}, overlap {most}"
    return Parts(ImageRegions(frozen, grid, proposals), lstm, width, WholePicture(), signature)

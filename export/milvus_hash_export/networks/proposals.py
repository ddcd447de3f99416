"""Region proposals: the RPN of torchvision's Faster R-CNN, with a free batch axis and a fixed number of boxes."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from milvus_hash.errors import InputError
from milvus_hash.extras import require
from milvus_hash_export.networks.backbones import Normalise
from milvus_hash_export.networks.regions import area, pick

COCO = "coco"
NONE = "random"

_BEST = 256  # proposals among which the regions are picked
_LARGEST = math.log(1000 / 16)  # change of a side that torchvision allows, so that exp stays finite


class Proposals(nn.Module):
    """Pictures uint8 ``(n, S, S, 3)`` to the boxes of highest objectness, from dominant to minor.

    The anchors depend on the size of the picture only, so they are constants; decoding and suppression are done for
    all pictures at once with as many steps as boxes are wanted.

    Args:
        size: ``S``.
        count: Boxes per picture.
        most: See :func:`~milvus_hash_export.networks.regions.pick`.
        weights: ``coco`` for torchvision's ``FasterRCNN_ResNet50_FPN_Weights.COCO_V1`` (downloaded once), ``random``,
            else the path of a state dict of ``fasterrcnn_resnet50_fpn``.

    Raises:
        InputError: The weights cannot be had or are those of another network, or there are not ``count`` anchors.
    """

    anchors: Tensor
    prior: Tensor

    def __init__(self, size: int, count: int, most: float, *, weights: str = COCO) -> None:
        super().__init__()
        detection = require("torchvision.models.detection", "export")
        frozen = partial(require("torchvision.ops", "export").FrozenBatchNorm2d, eps=0.0)  # as the weights were trained
        self.backbone = detection.backbone_utils.resnet_fpn_backbone(
            backbone_name="resnet50", weights=None, norm_layer=frozen
        )
        maker = detection.faster_rcnn._default_anchorgen()
        self.head = detection.rpn.RPNHead(self.backbone.out_channels, maker.num_anchors_per_location()[0])
        if weights != NONE:
            self._load(_state(detection, weights), weights)
        self.normalise = Normalise((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
        self.size = size
        self.count = count
        self.most = most
        self.eval()
        with torch.inference_mode():
            maps = list(self.backbone(torch.zeros(1, 3, size, size)).values())
            images = detection.image_list.ImageList(torch.zeros(1, 3, size, size), [(size, size)])
            anchors = maker(images, maps)[0]
        if count > len(anchors):
            raise InputError(f"region_count is {count}; a picture of {size} pixels has {len(anchors)} anchors")
        self.register_buffer("anchors", anchors.clone(), persistent=False)
        # equal answers all over a blank picture: rounding must not choose
        self.register_buffer("prior", torch.linspace(0, -1e-3, len(anchors)), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Boxes ``(n, count, 4)`` as shares of the picture's sides."""
        scores, deltas = self.head(list(self.backbone(self.normalise(image)).values()))
        score = torch.cat([s.permute(0, 2, 3, 1).flatten(1) for s in scores], dim=1) + self.prior
        delta = torch.cat([d.permute(0, 2, 3, 1).reshape(d.shape[0], -1, 4) for d in deltas], dim=1)
        score, best = score.topk(min(max(self.count, _BEST), self.anchors.shape[0]), dim=1)
        boxes = decode(self.anchors[best], delta.gather(1, best.unsqueeze(2).expand(-1, -1, 4)))
        boxes = (boxes / self.size).clamp(0, 1)
        score = torch.where(area(boxes) > 0, score.clamp(-500, 500), -500.0)
        return pick(boxes, score, self.count, self.most)

    def _load(self, state: dict[str, Any], weights: str) -> None:
        """Take backbone and RPN out of a detector's state dict; its classifier is not needed."""
        for module, prefix in ((self.backbone, "backbone."), (self.head, "rpn.head.")):
            part = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            try:
                module.load_state_dict(part)
            except RuntimeError as error:
                raise InputError(
                    f"rpn_weights {weights!r} do not fit fasterrcnn_resnet50_fpn; give its state dict or {COCO!r}, or "
                    f"set regions to 'grid' ({str(error)[:200]})"
                ) from error


def decode(anchors: Tensor, deltas: Tensor) -> Tensor:
    """Boxes ``(..., 4)`` in pixels from anchors and the regression of them (Ren et al., 2015, section 3.1.2)."""
    size = anchors[..., 2:] - anchors[..., :2]
    centre = (anchors[..., :2] + anchors[..., 2:]) / 2 + deltas[..., :2] * size
    half = deltas[..., 2:].clamp(max=_LARGEST).exp() * size / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def _state(detection: Any, weights: str) -> dict[str, Any]:  # noqa: ANN401 (a module)
    """The state dict of a detector."""
    if weights != COCO:
        if not Path(weights).is_file():
            raise InputError(
                f"rpn_weights {weights!r} is not a file; give a path or {COCO!r}, or set regions to 'grid'"
            )
        state: dict[str, Any] = torch.load(weights, map_location="cpu", weights_only=True)
        return state
    try:
        published = detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1
        state = published.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise InputError(
            f"the weights {COCO!r} cannot be downloaded ({error}); give the path of a state dict as rpn_weights, "
            "or set regions to 'grid'"
        ) from error
    return state

"""The image stream: pixels to logits, with a cut between what is frozen and what is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from milvus_hash_export.networks.backbones import Backbone, Normalise

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pool(nn.Module):
    """The average of a feature map ``(n, c, h, w)`` over its places: ``(n, c)``."""

    def forward(self, features: Tensor) -> Tensor:
        """Average over height and width."""
        return features.mean(dim=(2, 3))


class ImageHash(nn.Module):
    """Pictures uint8 ``(n, H, W, 3)`` to logits float ``(n, bits)``.

    ``frozen`` (normalisation and the first units) never learns, so its output can be computed once and cached;
    ``tail`` (the last ``unfreeze`` units and the pooling) and ``head`` learn. With ``unfreeze`` 0 the pooling is
    frozen too and a picture's cached features are one vector. Batch statistics of the backbone stay as they
    are in either case: a few thousand pictures are too few to estimate them anew.
    """

    def __init__(self, backbone: Backbone, head: nn.Module, *, unfreeze: int = 0) -> None:
        super().__init__()
        cut = len(backbone.units) - unfreeze
        pool = [Pool()]
        normalise = Normalise(backbone.mean, backbone.std)
        self.frozen = nn.Sequential(normalise, *backbone.units[:cut], *([] if unfreeze else pool))
        self.tail = nn.Sequential(*backbone.units[cut:], *(pool if unfreeze else []))
        self.head = head
        self.frozen.requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of pictures uint8 ``(n, H, W, 3)``."""
        return self.from_features(self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """What the frozen part makes of pictures: ``(n, width)``, or ``(n, c, h, w)`` with ``unfreeze``."""
        features: Tensor = self.frozen(image)
        return features

    def from_features(self, features: Tensor) -> Tensor:
        """Logits of cached features."""
        logits: Tensor = self.head(self.tail(features))
        return logits

    def train(self, mode: bool = True) -> ImageHash:
        """Set the training mode of the head; the backbone keeps its batch statistics."""
        super().train(mode)
        self.frozen.eval()
        self.tail.eval()
        return self

    def trained_state(self) -> Iterator[tuple[str, Tensor]]:
        """Name and tensor of everything that is not frozen."""
        return ((name, value) for name, value in self.state_dict().items() if not name.startswith("frozen."))

"""The validation figure: how well held-out pairs find each other, and when to stop for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from milvus_hash.codes import Codes, pack
from milvus_hash.errors import InputError
from milvus_hash.evaluate.metrics import average_precision, hit_at, mean
from milvus_hash.evaluate.ranking import rank_codes, same_item, share_label
from milvus_hash_export.batches import Items, to_device
from milvus_hash_export.methods.base import Method

_BATCH = 256
_AMONG = 10


class Validation:
    """Held-out pairs and the figure that they give a method.

    Args:
        items: The pairs; of each its first view and its first text count.

    Raises:
        InputError: Fewer than two.
    """

    def __init__(self, items: Items) -> None:
        if len(items) < 2:
            raise InputError(f"{len(items)} of the pairs to validate on can be used; at least 2 are needed")
        self._items = items
        self._labels = items.labels.numpy() > 0

    def figure(self, method: Method) -> float:
        """Mean of both directions of the full code's mAP; without labels, of a partner being among the first ten.

        Every pair is a query and an item of the other modality; relevant is what shares a label. mAP is exact under
        ties, see :mod:`milvus_hash.evaluate.metrics`.
        """
        visual, text = self._codes(method)
        numbers = np.arange(len(visual))
        relevance = share_label(self._labels, self._labels) if self._labels.any() else same_item(numbers, numbers)
        figures = []
        for queries, items in ((visual, text), (text, visual)):
            ranking = rank_codes(queries, items, relevance)
            found = average_precision(ranking) if self._labels.any() else hit_at(ranking, _AMONG)
            figures.append(mean(found))
        return sum(figures) / len(figures)

    def _codes(self, method: Method) -> tuple[Codes, Codes]:
        """The full codes of both modalities."""
        device = next(method.parameters()).device
        visual: list[Tensor] = []
        text: list[Tensor] = []
        training = method.training
        method.eval()
        with torch.inference_mode():
            for start in range(0, len(self._items), _BATCH):
                at = torch.arange(start, min(start + _BATCH, len(self._items)))
                zeros = torch.zeros_like(at)
                batch = to_device(self._items.batch(at, zeros, zeros), device)
                visual.append(method.visual.from_features(batch.visual).float().cpu())
                text.append(method.text.from_features(*batch.text).float().cpu())
        method.train(training)
        return pack(torch.cat(visual).numpy()), pack(torch.cat(text).numpy())

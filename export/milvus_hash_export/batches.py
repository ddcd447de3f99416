"""Training items in memory or mapped into it, and shuffled batches of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from milvus_hash.errors import InputError
from milvus_hash.media.text import Tokenizer
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.data import Pairs
from milvus_hash_export.features import Features
from milvus_hash_export.methods.base import Batch
from milvus_hash_export.networks.stream import Stream

_TEXTS = 256  # at a time through the frozen part


@dataclass(frozen=True, slots=True)
class Items:
    """Everything that a method takes of some pairs.

    Attributes:
        ids: Their names.
        visual: Features of the visual stream, ``(m, views, ...)``, of these and possibly other items.
        rows: Where the pairs stand in ``visual``, int64 ``(n,)``.
        text: Features of all texts, one after another.
        first: Where each pair's texts begin, int64 ``(n,)``.
        count: How many it has, int64 ``(n,)``.
        labels: 0 or 1, float ``(n, labels)``.
    """

    ids: list[str]
    visual: NDArray[Any]
    rows: NDArray[np.int64]
    text: tuple[Tensor, ...]
    first: Tensor
    count: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self.ids)

    def part(self, mask: NDArray[np.bool_]) -> Items:
        """The pairs where ``mask`` is true; the features are shared."""
        chosen = np.flatnonzero(mask)
        at = torch.from_numpy(chosen)
        return replace(
            self,
            ids=[self.ids[i] for i in chosen],
            rows=self.rows[chosen],
            first=self.first[at],
            count=self.count[at],
            labels=self.labels[at],
        )

    def batch(self, items: Tensor, views: Tensor, texts: Tensor) -> Batch:
        """A batch of the pairs at positions ``items (n,)``, with the view and the text of each by number."""
        visual = torch.from_numpy(np.ascontiguousarray(self.visual[self.rows[items.numpy()], views.numpy()]))
        at = self.first[items] + texts
        return Batch(_single(visual), tuple(_single(t[at]) for t in self.text), self.labels[items], items)


def make_items(pairs: Pairs, features: Features, stream: Stream, tokenizer: Path, config: TrainConfig) -> Items:
    """The pairs whose picture or clip has features, with their texts tokenised and run through the frozen part.

    Args:
        pairs: All of those that ``features`` were computed for.
        features: Of the visual stream.
        stream: That of the texts.
        tokenizer: File of the tokenizer.
        config: Length of a text.
    """
    rows = np.flatnonzero(features.good)
    pairs = pairs.keep(features.good)
    count = torch.tensor([len(texts) for texts in pairs.texts])
    text = _text_features(pairs, stream, tokenizer, config.text_length)
    labels = torch.from_numpy(pairs.labels).float()
    return Items(pairs.ids, features.values, rows, text, count.cumsum(0) - count, count, labels)


class Batches:
    """Shuffled batches; every epoch is decided by its number and the seed alone."""

    def __init__(self, items: Items, config: TrainConfig, *, process: int = 0, processes: int = 1) -> None:
        """Of every epoch's order, ``process`` of ``processes`` takes its share."""
        if len(items) < 2 * processes:
            raise InputError(f"{len(items)} pairs can be used; {processes} processes need at least {2 * processes}")
        self.items = items
        self._seed = config.seed
        self._size = min(config.batch_size, len(items) // processes)
        self._process, self._processes = process, processes

    def __len__(self) -> int:
        """Batches per epoch; the last incomplete one is left out, so that batch statistics stay sound."""
        return len(self.items) // (self._size * self._processes)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch ``number``: of each pair a random view and a random text."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + number + 1)
        order = torch.randperm(len(self.items), generator=generator)
        together = self._size * self._processes
        own = slice(self._process * self._size, (self._process + 1) * self._size)
        for rows in order[: len(self) * together].view(-1, together):
            views = torch.randint(self.items.visual.shape[1], (together,), generator=generator)
            texts = (torch.rand(together, generator=generator) * self.items.count[rows]).long()
            yield self.items.batch(rows[own], views[own], texts[own])


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on ``device``."""
    return Batch(
        batch.visual.to(device),
        tuple(tensor.to(device) for tensor in batch.text),
        batch.labels.to(device),
        batch.items.to(device),
    )


def _text_features(pairs: Pairs, stream: Stream, tokenizer: Path, length: int) -> tuple[Tensor, ...]:
    """Tokens and mask of all texts, or what the frozen part of the text stream makes of them."""
    texts = [text for item in pairs.texts for text in item]
    tokens = [torch.from_numpy(array) for array in Tokenizer(tokenizer, length)(texts)]
    if stream.frozen is None:
        return tuple(tokens)
    device = next(stream.parameters()).device
    parts = []
    with torch.inference_mode():
        for start in range(0, len(texts), _TEXTS):
            batch = stream.eval().features(*(t[start : start + _TEXTS].to(device) for t in tokens))
            parts.append([_half(tensor.cpu()) for tensor in batch])
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def _half(values: Tensor) -> Tensor:
    return values.half() if values.is_floating_point() else values


def _single(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values

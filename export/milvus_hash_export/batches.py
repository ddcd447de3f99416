"""Shuffled training batches out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from milvus_hash.errors import InputError
from milvus_hash.media.text import Tokenizer
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.data import Pairs
from milvus_hash_export.methods.dsmhn import Batch


class Batches:
    """Shuffled batches of the cached features, the tokenised texts and the labels."""

    def __init__(self, pairs: Pairs, features: Tensor, tokenizer: Path, config: TrainConfig) -> None:
        """Tokenise every text; a pair's picture and text are drawn from its views and texts."""
        if len(pairs) < 2:
            raise InputError(f"{len(pairs)} pair can be used; a pairwise loss needs at least 2")
        self._features = features
        texts = [text for item in pairs.texts for text in item]
        ids, mask = Tokenizer(tokenizer, config.text_length)(texts)
        self._ids, self._mask = torch.from_numpy(ids), torch.from_numpy(mask)
        self._count = torch.tensor([len(item) for item in pairs.texts])
        self._first = self._count.cumsum(0) - self._count
        self._labels = torch.from_numpy(pairs.labels).float()
        self._size = min(config.batch_size, len(pairs))

    def __len__(self) -> int:
        """Batches per epoch; the last incomplete one is left out, so that batch statistics stay sound."""
        return len(self._count) // self._size

    def __iter__(self) -> Iterator[Batch]:
        """One epoch, decided by torch's current seed."""
        order = torch.randperm(len(self._count))
        for rows in order[: len(self) * self._size].view(-1, self._size):
            views = torch.randint(self._features.shape[1], (len(rows),))
            texts = self._first[rows] + (torch.rand(len(rows)) * self._count[rows]).long()
            features = self._features[rows, views].float()
            yield Batch(features, self._ids[texts], self._mask[texts], self._labels[rows])

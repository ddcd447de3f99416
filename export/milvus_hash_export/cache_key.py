"""The name of a feature cache: equal names, equal features."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from milvus_hash_export.config import TrainConfig
from milvus_hash_export.networks.stream import Stream


def cache_key(
    stream: Stream, visual: str, sources: Sequence[str], config: TrainConfig, boxes: NDArray[np.float32] | None
) -> str:
    """A digest of the frozen part with its weights, the preprocessing, the boxes, and every file's size and time."""
    pixels = (visual, config.image_size, config.resize, config.frames)
    settings = (pixels, config.views, config.feature_dtype, config.seed)
    digest = hashlib.sha256(repr((stream.signature, settings)).encode())
    if stream.frozen is not None:
        _add_weights(digest, stream.frozen)
    if boxes is not None:
        digest.update(repr(boxes.shape).encode() + np.ascontiguousarray(boxes).tobytes())
    for source in sources:
        path = Path(source)
        state = path.stat() if path.exists() else None
        digest.update(repr((source, state and (state.st_size, state.st_mtime_ns))).encode())
    return digest.hexdigest()[:16]


def _add_weights(digest: hashlib._Hash, network: nn.Module) -> None:
    """The values, not where they come from: a file of weights may have changed under its name."""
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())

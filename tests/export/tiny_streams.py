"""Streams with random weights, one for every kind of network that is exported, small enough for every test run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertModel

from milvus_hash.bundle import ImageInput, TextInput, VideoInput
from milvus_hash_export.networks.backbones import Backbone, Normalise
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.image import Pool
from milvus_hash_export.networks.region_lstm import RegionLSTM
from milvus_hash_export.networks.regions import region_features
from milvus_hash_export.networks.sentence import SentenceEncoder
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.networks.text import TextCNN, WordAverage
from milvus_hash_export.networks.video import MotionBlock, NormaliseVideo, PerFrame, SpaceTimePool

SIZE, FRAMES, LENGTH, WORDS, BITS = 32, 3, 12, 200, 24
GREY, SPREAD = (127.0,) * 3, (64.0,) * 3


@dataclass(frozen=True)
class Kind:
    """A stream and what its graph takes."""

    stream: Callable[[], Stream]
    target: ImageInput | VideoInput | TextInput


def batch(target: ImageInput | VideoInput | TextInput, n: int) -> dict[str, np.ndarray]:
    """``n`` random inputs by name; the same ones every time."""
    rng = np.random.default_rng(n)
    if isinstance(target, TextInput):
        mask = (np.arange(LENGTH) < rng.integers(2, LENGTH + 1, (n, 1))).astype(np.int64)
        return {"input_ids": rng.integers(1, WORDS, (n, LENGTH)) * mask, "attention_mask": mask}
    name, shape = ("image", ()) if isinstance(target, ImageInput) else ("video", (FRAMES,))
    cells = rng.integers(0, 256, (n, *shape, 4, 4, 3), dtype=np.uint8)  # patches: noise would look alike when averaged
    return {name: cells.repeat(SIZE // 4, axis=-3).repeat(SIZE // 4, axis=-2)}


def units() -> list[nn.Module]:
    return [nn.Sequential(nn.Conv2d(3, 32, 3, 2), nn.ReLU6()), nn.Sequential(nn.Conv2d(32, 48, 3, 2), nn.ReLU())]


class Regions(nn.Module):
    """The four quarters and the whole of a map, in one row of steps."""

    boxes: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(Normalise(GREY, SPREAD), *units())
        quarters = [[x, y, x + 0.5, y + 0.5] for y in (0, 0.5) for x in (0, 0.5)]
        self.register_buffer("boxes", torch.tensor([*quarters, [0, 0, 1, 1]]))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.layers(image)
        boxes = self.boxes.expand(maps.shape[0], -1, -1)
        return torch.cat([region_features(maps, boxes), boxes], dim=2)


class Mean(nn.Module):
    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        return steps.mean(1)


def pictures() -> Stream:
    frozen = nn.Sequential(Normalise(GREY, SPREAD), *units(), Pool())
    return finish(frozen, nn.Identity(), 48, nn.Identity(), ImageInput(SIZE))


def regions() -> Stream:
    return finish(Regions(), RegionLSTM(48, 32), 64, Mean(), ImageInput(SIZE))


def frames() -> Stream:
    trunk = MotionBlock(48)
    return finish(PerFrame(Backbone(units(), 48, GREY, SPREAD)), trunk, trunk.width, SpaceTimePool(), VideoInput(SIZE))


def clips() -> Stream:
    stem = nn.Sequential(NormaliseVideo(GREY, SPREAD), nn.Conv3d(3, 32, 3, (1, 2, 2), 1), nn.ReLU())
    tail = nn.Sequential(nn.Conv3d(32, 48, 3, 2, 1), nn.ReLU(), SpaceTimePool())
    return finish(stem, tail, 48, SpaceTimePool(), VideoInput(SIZE))


def words() -> Stream:
    trunk = TextCNN(torch.randn(WORDS, 32), filters=16)
    return finish(None, trunk, trunk.width, WordAverage(trunk.embedding), TextInput(LENGTH))


def sentences() -> Stream:
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=96,
        max_position_embeddings=LENGTH,
    )
    return finish(SentenceEncoder(BertModel(config)), nn.Identity(), 48, nn.Identity(), TextInput(LENGTH))


def finish(
    frozen: nn.Module | None,
    trunk: nn.Module,
    width: int,
    pooled: nn.Module,
    target: ImageInput | VideoInput | TextInput,
) -> Stream:
    """The stream with a head whose batch statistics fit, so that bits differ from input to input."""
    stream = Stream(frozen, trunk, HashHead(width, 64, BITS, input_dropout=0, dropout=0), pooled=pooled, signature="")
    inputs = [torch.from_numpy(value) for value in batch(target, 64).values()]
    with torch.no_grad():
        stream.eval()
        embedding = stream.embed(*stream.features(*inputs))
        stream.head.layers[1].weight.mul_(30)  # embeddings of random networks hardly differ
        stream.head.train()
        for _ in range(40):
            stream.head(embedding)
    return stream.eval()


KINDS = {
    "pictures": Kind(pictures, ImageInput(SIZE)),
    "regions": Kind(regions, ImageInput(SIZE)),
    "frames": Kind(frames, VideoInput(SIZE, frames=FRAMES)),
    "clips": Kind(clips, VideoInput(SIZE, frames=FRAMES)),
    "words": Kind(words, TextInput(LENGTH)),
    "sentences": Kind(sentences, TextInput(LENGTH)),
}

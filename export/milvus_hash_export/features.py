"""What the frozen part of the image stream makes of the training pictures: computed once, cached on disk."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from tqdm import tqdm

from milvus_hash.bundle import ImageInput
from milvus_hash.errors import InputError
from milvus_hash.media.image import load_image
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.networks.image import ImageHash

_Result = TypeVar("_Result")

_BATCH = 32
_SMALLEST_CROP = 0.65  # of the side; smaller ones cut the motif off


@dataclass(frozen=True, slots=True)
class Features:
    """Cached features.

    Attributes:
        values: float16 ``(pictures, views, ...)``; view 0 is the picture as it is.
        good: Which pictures could be decoded; the others' values are zero.
        reasons: Why the others could not, by position.
    """

    values: Tensor
    good: NDArray[np.bool_]
    reasons: dict[int, str]


def cached_features(
    network: ImageHash, images: Sequence[str], config: TrainConfig, folder: Path, *, progress: bool = True
) -> Features:
    """Features of ``images``, read from ``folder`` where it has them for exactly these pictures and settings.

    Args:
        network: Its frozen part is applied.
        images: Paths.
        config: Backbone, preprocessing, views and seed.
        folder: Where the cache file lies; made if missing.
        progress: Show a bar on stderr.
    """
    path = folder / f"features-{_key(images, config)}.pt"
    if path.is_file():
        stored = torch.load(path, weights_only=True)
        return Features(stored["values"], stored["good"].numpy(), stored["reasons"])
    features = compute_features(network, images, config, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save({"values": features.values, "good": torch.from_numpy(features.good), "reasons": features.reasons}, part)
    part.replace(path)
    return features


def compute_features(
    network: ImageHash, images: Sequence[str], config: TrainConfig, *, progress: bool = True
) -> Features:
    """Decode every picture once and run the frozen part on each of its views.

    Every worker takes a batch from file to features with one thread of arithmetic: batches side by side keep
    the cores busier than many threads inside one convolution, and a busy machine slows them only by its share.
    """
    network = network.eval().to(memory_format=torch.channels_last)
    batches = [range(start, min(start + _BATCH, len(images))) for start in range(0, len(images), _BATCH)]
    values: Tensor | None = None
    reasons: dict[int, str] = {}
    with tqdm(total=len(images), unit="img", disable=not progress) as bar:
        results = _in_order(lambda rows: _batch(network, images, rows, config), batches)
        for rows, (features, failed) in zip(batches, results, strict=True):
            good = [row for row in rows if row not in failed]
            if features is not None:
                if values is None:  # the first batch tells the shape
                    values = torch.zeros(len(images), *features.shape[1:], dtype=torch.float16)
                values[good] = features
            reasons |= failed
            bar.update(len(rows))
    if values is None:
        raise InputError(f"none of {len(images)} pictures can be decoded; the first: {reasons[0]}")
    usable = np.ones(len(images), dtype=bool)
    usable[list(reasons)] = False
    return Features(values, usable, reasons)


def _batch(
    network: ImageHash, images: Sequence[str], rows: range, config: TrainConfig
) -> tuple[Tensor | None, dict[int, str]]:
    """Features ``(good, views, ...)`` of the pictures ``rows`` and the reasons why others have none."""
    pixels: list[Tensor] = []
    failed: dict[int, str] = {}
    target = ImageInput(config.image_size, config.resize)
    for row in rows:
        try:
            pixels.append(torch.from_numpy(load_image(images[row], target).copy()))
        except InputError as error:
            failed[row] = str(error)
    if not pixels:
        return None, failed
    batch = torch.stack(pixels)
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + rows.start)
    half = torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.feature_dtype == "bfloat16")
    views = [_view(batch, view, generator).to(device) for view in range(config.views)]
    with torch.inference_mode():
        with half:
            features = [network.features(view) for view in views]
        return torch.stack([view.half().cpu() for view in features], dim=1), failed


def _in_order(work: Callable[[range], _Result], batches: Sequence[range]) -> Iterator[_Result]:
    """``work`` on every batch, as many at a time as there are threads, results in order."""
    threads = torch.get_num_threads()
    waiting: deque[Future[_Result]] = deque()
    left = iter(batches)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            waiting.extend(pool.submit(work, rows) for rows in islice(left, 2 * threads))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, rows) for rows in islice(left, 1))
    finally:
        torch.set_num_threads(threads)  # threads that start later inherit the last setting


def _view(pixels: Tensor, view: int, generator: torch.Generator) -> Tensor:
    """View number ``view`` of pictures uint8 ``(n, H, W, 3)``: 0 as it is, the others random crops."""
    if view == 0:
        return pixels
    return torch.stack([_crop(picture, generator) for picture in pixels])


def _crop(picture: Tensor, generator: torch.Generator) -> Tensor:
    """A random square of ``picture (H, W, 3)``, half of the time mirrored, at the picture's size."""
    size = picture.shape[0]
    side = round(size * (_SMALLEST_CROP + (1 - _SMALLEST_CROP) * float(torch.rand(1, generator=generator))))
    top, left = torch.randint(0, size - side + 1, (2,), generator=generator).tolist()
    square = picture[top : top + side, left : left + side]
    if torch.rand(1, generator=generator) < 0.5:
        square = square.flip(1)
    large = interpolate(square.permute(2, 0, 1)[None].float(), (size, size), mode="bilinear")
    return large[0].permute(1, 2, 0).round().to(torch.uint8)


def _key(images: Sequence[str], config: TrainConfig) -> str:
    """Names the cache: settings, paths, sizes and times of the pictures."""
    settings = (config.backbone, config.weights, config.image_size, config.resize, config.unfreeze)
    digest = hashlib.sha256(repr((settings, config.views, config.feature_dtype, config.seed)).encode())
    for image in images:
        path = Path(image)
        state = path.stat() if path.exists() else None
        digest.update(repr((image, state and (state.st_size, state.st_mtime_ns))).encode())
    return digest.hexdigest()[:16]

"""What the frozen part of the visual stream makes of the training items: computed once, cached on disk.

A cache is a ``.npy`` file that is mapped into memory, so that it may be larger than that, and a small ``.json`` beside
it that says how far it is complete: an interrupted computation goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from milvus_hash.ahead import in_order
from milvus_hash.bundle import ImageInput, VideoInput
from milvus_hash.errors import InputError
from milvus_hash_export.cache_key import cache_key
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.inputs import load_visual, visual_input
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.views import make_view

Mapped: TypeAlias = "np.memmap[Any, Any]"
_Result = TypeVar("_Result")

_BATCH = {"image": 32, "video": 4}  # items decoded and computed at a time
_FLUSH = 16  # batches after which the progress is written down


@dataclass(frozen=True, slots=True)
class Features:
    """Cached features.

    Attributes:
        values: float16 ``(items, views, ...)``, uint8 where they are pixels; mapped from disk, read-only. View 0 is the
            item as it is.
        good: Which items could be decoded; the others' values are zero.
        reasons: Why the others could not, by position.
    """

    values: NDArray[Any]
    good: NDArray[np.bool_]
    reasons: dict[int, str]


@dataclass(frozen=True, slots=True)
class _Job:
    """Everything that decides the features of the items."""

    stream: Stream
    sources: Sequence[str]
    boxes: NDArray[np.float32] | None
    target: ImageInput | VideoInput
    config: TrainConfig
    device: torch.device


def cached_features(
    stream: Stream,
    visual: str,
    sources: Sequence[str],
    config: TrainConfig,
    folder: Path,
    *,
    boxes: NDArray[np.float32] | None = None,
    progress: bool = True,
) -> Features:
    """Features of ``sources``, read from ``folder`` as far as it has them for exactly these items and settings.

    Several runs may use a folder at the same time: what two of them write to the same place is the same.

    Args:
        stream: Its frozen part is applied, on the device where it lies.
        visual: ``image`` or ``video``.
        sources: Paths.
        config: Preprocessing, views, arithmetic and seed.
        folder: Where the cache lies; made if missing.
        boxes: float32 ``(items, k, 4)``, the second input of the frozen part; None: it gets the pixels alone.
        progress: Show a bar on stderr.

    Raises:
        InputError: No item can be decoded, or the disk has no room for the features.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"features-{cache_key(stream, visual, sources, config, boxes)}.npy"
    state = path.with_suffix(".json")
    done, reasons = _read_state(state) if path.is_file() else (0, {})
    if done < len(sources):
        device = next(stream.parameters()).device
        job = _Job(stream, sources, boxes, visual_input(config, visual), config, device)
        reasons = _compute(job, path, state, done, reasons, batch=_BATCH[visual], progress=progress)
    good = np.ones(len(sources), dtype=bool)
    good[list(reasons)] = False
    if not good.any():
        raise InputError(f"none of {len(sources)} {visual} files can be decoded; the first: {reasons[0]}")
    return Features(np.load(path, mmap_mode="r"), good, reasons)


def _compute(
    job: _Job, path: Path, state: Path, done: int, reasons: dict[int, str], *, batch: int, progress: bool
) -> dict[int, str]:
    """Fill the cache from item ``done`` on; returns the reasons of all items that have no features.

    Every worker takes a batch from file to features with one thread of arithmetic: batches side by side keep
    the cores busier than many threads inside one convolution, and a busy machine slows them only by its share.
    """
    job.stream.eval()
    for weight in (p for p in job.stream.parameters() if p.ndim == 4):
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)  # faster on CPUs
    count = len(job.sources)
    batches = [range(start, min(start + batch, count)) for start in range(done, count, batch)]
    values: Mapped | None = np.load(path, mmap_mode="r+") if path.is_file() else None
    reasons = dict(reasons)
    with tqdm(total=count, initial=done, unit="item", disable=not progress) as bar:
        results = _in_order(lambda rows: _batch(job, rows), batches)
        for number, (rows, (features, failed)) in enumerate(zip(batches, results, strict=True), start=1):
            if features is not None:
                if values is None:  # the first batch tells the shape
                    values = _create(path, features, count)
                values[[row for row in rows if row not in failed]] = features
            reasons |= failed
            if values is not None and (number % _FLUSH == 0 or number == len(batches)):
                values.flush()
                _write_state(state, rows.stop, reasons)
            bar.update(len(rows))
    return reasons


def _batch(job: _Job, rows: range) -> tuple[NDArray[Any] | None, dict[int, str]]:
    """Features ``(good, views, ...)`` of the items ``rows`` and the reasons why others have none."""
    pixels: list[Tensor] = []
    failed: dict[int, str] = {}
    for row in rows:
        try:
            pixels.append(torch.from_numpy(load_visual(job.sources[row], job.target).copy()))
        except InputError as error:
            failed[row] = str(error)
    if not pixels:
        return None, failed
    config = job.config
    batch = torch.stack(pixels)
    boxes = [] if job.boxes is None else [torch.from_numpy(job.boxes[[row for row in rows if row not in failed]])]
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + rows.start)
    views = [make_view(batch, view, generator).to(job.device) for view in range(config.views)]
    half = torch.autocast(job.device.type, dtype=torch.bfloat16, enabled=config.feature_dtype == "bfloat16")
    with torch.inference_mode(), half:
        features = [job.stream.features(view, *(b.to(job.device) for b in boxes)) for view in views]
    whole = torch.stack([view.cpu() for (view,) in features], dim=1)
    return (whole if whole.dtype == torch.uint8 else whole.half()).numpy(), failed


def _in_order(work: Callable[[range], _Result], batches: Sequence[range]) -> Iterator[_Result]:
    """``work`` on every batch, as many at a time as there are threads, results in order."""
    threads = torch.get_num_threads()
    one = partial(torch.set_num_threads, 1)
    try:
        with closing(in_order(work, batches, threads=threads, waiting=threads, prepare=one)) as results:
            yield from results
    finally:
        torch.set_num_threads(threads)  # threads that start later inherit the last setting


def _create(path: Path, features: NDArray[Any], count: int) -> Mapped:
    """The file of zeros for ``count`` items; where another run has just made it, that one."""
    shape = (count, *features.shape[1:])
    size, free = int(np.prod(shape)) * features.itemsize, shutil.disk_usage(path.parent).free
    if size > free:
        raise InputError(
            f"the features need {size / 1e9:.1f} GB and {path.parent} has {free / 1e9:.1f} GB free; "
            "choose another folder as cache, fewer views or fewer layers to unfreeze"
        )
    part = path.with_suffix(f".{os.getpid()}.part")
    open_memmap(part, mode="w+", dtype=features.dtype, shape=shape)
    try:
        path.hardlink_to(part)  # unlike a rename, this leaves a file alone that is there by now
    except FileExistsError:
        pass
    finally:
        part.unlink()
    mapped: Mapped = np.load(path, mmap_mode="r+")
    return mapped


def _read_state(path: Path) -> tuple[int, dict[int, str]]:
    """How many items are done, and the reasons of those that failed."""
    if not path.is_file():
        return 0, {}
    state = json.loads(path.read_text(encoding="utf-8"))
    return state["done"], {int(row): reason for row, reason in state["reasons"].items()}


def _write_state(path: Path, done: int, reasons: dict[int, str]) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({"done": done, "reasons": reasons}), encoding="utf-8")
    part.replace(path)

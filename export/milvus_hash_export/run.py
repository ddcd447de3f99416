"""The run folder: what a training leaves behind, and networks from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from milvus_hash.errors import InputError
from milvus_hash_export.build import build_method
from milvus_hash_export.config import TrainConfig, from_mapping, to_mapping
from milvus_hash_export.networks.backbones import RANDOM
from milvus_hash_export.networks.image import ImageHash
from milvus_hash_export.networks.text import TextHash

CONFIG = "config.json"
CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
CURVES = "losses.png"
TOKENIZER = "tokenizer.json"
REJECTS = "rejects.jsonl"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished (or interrupted) training, ready to be exported.

    Attributes:
        path: The run folder.
        config: Its settings.
        labels: Names of the labels, in the order of the classifier.
        manifest: What it was trained on, an absolute path.
        tokenizer: Path of the tokenizer that belongs in the bundle.
        epochs: How many epochs the weights have seen.
        image: The image stream, in evaluation mode.
        text: The text stream, in evaluation mode.
    """

    path: Path
    config: TrainConfig
    labels: tuple[str, ...]
    manifest: str
    tokenizer: Path
    epochs: int
    image: ImageHash
    text: TextHash


def load_run(path: str | Path) -> Run:
    """Read a run folder back into networks, on the CPU and in evaluation mode.

    Args:
        path: A folder that :func:`milvus_hash_export.train.train` has written.

    Raises:
        InputError: Not a run folder, or one without a checkpoint.

    Example:
        >>> run = load_run("runs/clipart")  # doctest: +SKIP
        >>> run.image(torch.zeros(1, 224, 224, 3, dtype=torch.uint8)).shape  # doctest: +SKIP
        torch.Size([1, 64])
    """
    path = Path(path)
    settings = read_settings(path)
    checkpoint = read_checkpoint(path)
    config = from_mapping(settings["config"])
    state = checkpoint["method"]
    table = torch.zeros_like(state["text.embedding.weight"])
    method = build_method(config, table, len(settings["labels"]), weights=RANDOM)  # overwritten by the checkpoint
    method.load_state_dict(state)
    method.eval()
    return Run(
        path,
        config,
        tuple(settings["labels"]),
        settings["manifest"],
        path / TOKENIZER,
        checkpoint["epoch"],
        method.image,
        method.text,
    )


def write_settings(path: Path, config: TrainConfig, labels: list[str], manifest: str, data: str) -> None:
    """Write ``config.json``; ``data`` identifies the training rows."""
    settings = {"config": to_mapping(config), "labels": labels, "manifest": manifest, "data": data}
    write_text(path / CONFIG, json.dumps(settings, indent=2) + "\n")


def read_settings(path: Path) -> dict[str, Any]:
    """Read ``config.json``.

    Raises:
        InputError: There is none, or it is not one.
    """
    file = path / CONFIG
    if not file.is_file():
        raise InputError(f"{path} is not a run folder: it has no {CONFIG}; train one first")
    try:
        settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    return settings


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read ``checkpoint.pt``: ``method``, ``optimiser``, ``schedule`` (state dicts) and ``epoch``.

    Raises:
        InputError: There is none.
    """
    file = path / CHECKPOINT
    if not file.is_file():
        raise InputError(f"{path} has no {CHECKPOINT}: the training did not finish its first epoch; train again")
    checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return checkpoint


def write_checkpoint(path: Path, checkpoint: Mapping[str, Tensor | object]) -> None:
    """Write ``checkpoint.pt`` in one step: an interruption leaves the one before."""
    part = path / f"{CHECKPOINT}.part"
    torch.save(dict(checkpoint), part)
    part.replace(path / CHECKPOINT)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)

"""The run folder: what a training leaves behind, and networks from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from milvus_hash.bundle import ImageInput, TextInput, VideoInput
from milvus_hash.errors import InputError
from milvus_hash_export.config import TrainConfig, from_mapping, to_mapping
from milvus_hash_export.inputs import graph_inputs
from milvus_hash_export.methods import METHODS
from milvus_hash_export.methods.base import Data, Method
from milvus_hash_export.networks.backbones import RANDOM
from milvus_hash_export.networks.stream import Stream

CONFIG = "config.json"
CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
LOG = "log.jsonl"
CURVES = "losses.png"
TOKENIZER = "tokenizer.json"
REJECTS = "rejects.jsonl"


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``config.json`` holds: all that is needed to build the networks again.

    Attributes:
        config: The settings of the training.
        manifest: What it was trained on, an absolute path.
        rows: Identifies the training rows.
        labels: Names of the labels, in the order of the columns.
        visual: ``image`` or ``video``.
        items: Pairs trained on.
        table: Rows and columns of the word table; None for a method that starts from a sentence encoder.
    """

    config: TrainConfig
    manifest: str
    rows: str
    labels: tuple[str, ...]
    visual: str
    items: int
    table: tuple[int, int] | None


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
        streams: By modality, the networks, in evaluation mode.
        inputs: By modality, how the raw input of its graph is made.
    """

    path: Path
    config: TrainConfig
    labels: tuple[str, ...]
    manifest: str
    tokenizer: Path
    epochs: int
    streams: dict[str, Stream]
    inputs: dict[str, ImageInput | VideoInput | TextInput]


def load_run(path: str | Path) -> Run:
    """Read a run folder back into networks, on the CPU and in evaluation mode.

    Where the training kept the weights of the best epoch, they are taken.

    Args:
        path: A folder that :func:`milvus_hash_export.train.train` has written.

    Raises:
        InputError: Not a run folder, one without a checkpoint, or with that of another run.

    Example:
        >>> run = load_run("runs/clipart")  # doctest: +SKIP
        >>> run.streams["image"](torch.zeros(1, 224, 224, 3, dtype=torch.uint8)).shape  # doctest: +SKIP
        torch.Size([1, 64])
    """
    path = Path(path)
    settings = read_settings(path)
    config = settings.config
    checkpoint = read_checkpoint(path, config.method, BEST if (path / BEST).is_file() else CHECKPOINT)
    method = build_method(settings, None if settings.table is None else torch.zeros(settings.table), weights=RANDOM)
    restore(method, checkpoint, path)  # overwrites the random weights
    method.eval()
    return Run(
        path,
        config,
        settings.labels,
        settings.manifest,
        path / TOKENIZER,
        checkpoint["epoch"],
        method.streams,
        graph_inputs(config, settings.visual),
    )


def build_method(settings: Settings, table: torch.Tensor | None, *, weights: str) -> Method:
    """The method with fresh networks.

    Raises:
        InputError: It cannot pair texts with what the rows have, or its settings name what there is not.
    """
    kind = METHODS[settings.config.method]
    if settings.visual not in kind.visuals:
        raise InputError(
            f"method {settings.config.method} pairs texts with {' or '.join(kind.visuals)}, "
            f"and these rows have {settings.visual}"
        )
    data = Data(settings.visual, settings.items, len(settings.labels), table)
    return kind.build(settings.config, data, weights=weights)


def restore(method: Method, checkpoint: Mapping[str, Any], path: Path) -> None:
    """Load the weights of a checkpoint.

    Raises:
        InputError: They are of other networks.
    """
    try:
        method.load_state_dict(checkpoint["method"])
    except RuntimeError as error:
        raise InputError(f"the checkpoint of {path} does not fit its {CONFIG}: {error}") from error


def write_settings(path: Path, settings: Settings) -> None:
    """Write ``config.json``."""
    values = {
        "config": to_mapping(settings.config),
        "manifest": settings.manifest,
        "rows": settings.rows,
        "labels": settings.labels,
        "visual": settings.visual,
        "items": settings.items,
        "table": settings.table,
    }
    write_text(path / CONFIG, json.dumps(values, indent=2) + "\n")


def read_settings(path: Path) -> Settings:
    """Read ``config.json``.

    Raises:
        InputError: There is none, or it is not one.
    """
    file = path / CONFIG
    if not file.is_file():
        raise InputError(f"{path} is not a run folder: it has no {CONFIG}; train one first")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return Settings(
            from_mapping(values["config"]),
            values["manifest"],
            values["rows"],
            tuple(values["labels"]),
            values["visual"],
            values["items"],
            values["table"] and tuple(values["table"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} cannot be read ({error!r}); was it written by another release?") from error


def read_checkpoint(path: Path, method: str, name: str = CHECKPOINT) -> dict[str, Any]:
    """Read a checkpoint: ``method`` (its state dict), ``epoch``, and what the optimisation needs to go on.

    Raises:
        InputError: There is none, or it is of another method than ``method``.
    """
    file = path / name
    if not file.is_file():
        raise InputError(f"{path} has no {name}: the training did not finish its first epoch; train again")
    checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    if (found := checkpoint.get("name")) != method:
        raise InputError(f"{file} is a checkpoint of method {found!r}, and {CONFIG} says {method!r}")
    return checkpoint


def write_checkpoint(path: Path, checkpoint: Mapping[str, object], name: str = CHECKPOINT) -> None:
    """Write a checkpoint in one step: an interruption leaves the one before."""
    part = path / f"{name}.part"
    torch.save(dict(checkpoint), part)
    part.replace(path / name)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)

"""The picture of a training log."""

from __future__ import annotations

import json
from pathlib import Path

from milvus_hash.extras import require

_NOT_A_TERM = ("epoch", "rate", "seconds", "validation")


def draw_curves(log: Path, picture: Path) -> None:
    """Draw every term of ``log.jsonl`` over the epochs, unweighted, the loss that they add up to, and the validation.

    A term that only some epochs have (a method may train in stages) is drawn where it is.
    """
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    if not lines:
        return
    figure = require("matplotlib.figure", "export").Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(name for line in lines for name in line if name not in _NOT_A_TERM):
        axes.plot(*_points(lines, name), label=name, linewidth=2 if name == "loss" else 1)
    axes.set(xlabel="epoch", ylabel="mean over the epoch", yscale="log")
    axes.grid(alpha=0.3)
    handles = axes.get_legend_handles_labels()
    epochs, values = _points(lines, "validation")
    if epochs:
        right = axes.twinx()
        right.plot(epochs, values, "k--", label="validation")
        right.set(ylabel="validation", ylim=(0, 1))
        handles = tuple(a + b for a, b in zip(handles, right.get_legend_handles_labels(), strict=True))
    axes.legend(*handles)
    figure.savefig(picture, dpi=120)


def _points(lines: list[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    """Epochs that have ``name``, and its values."""
    having = [line for line in lines if name in line]
    return [line["epoch"] for line in having], [line[name] for line in having]

"""The picture of a training log."""

from __future__ import annotations

import json
from pathlib import Path

from milvus_hash.extras import require

_NOT_A_TERM = ("epoch", "rate", "seconds")


def draw_curves(log: Path, picture: Path) -> None:
    """Draw every term of ``log.jsonl`` over the epochs, unweighted, and the loss that they add up to."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    if not lines:
        return
    figure = require("matplotlib.figure", "export").Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    epochs = [line["epoch"] for line in lines]
    for name in lines[0]:
        if name not in _NOT_A_TERM:
            axes.plot(epochs, [line[name] for line in lines], label=name, linewidth=2 if name == "loss" else 1)
    axes.set(xlabel="epoch", ylabel="mean over the epoch", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=120)

"""The optimisation: epochs over batches, with a checkpoint and a line of the log after each."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from milvus_hash.errors import MilvusHashError
from milvus_hash_export import run as folder
from milvus_hash_export.batches import Batches
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.methods.dsmhn import DSMHN


class TrainingError(MilvusHashError):
    """The loss is no longer a number."""


def fit(
    method: DSMHN, batches: Batches, config: TrainConfig, out: Path, *, resume: bool, progress: bool
) -> tuple[int, float]:
    """Train for the epochs that are left; returns how many the weights have seen and the last mean loss."""
    optimiser = AdamW(_groups(method, config), weight_decay=config.weight_decay)
    steps = config.epochs * len(batches)
    rates = [group["lr"] for group in optimiser.param_groups]
    schedule = OneCycleLR(optimiser, rates, total_steps=steps, pct_start=0.1)
    done, loss = 0, math.nan
    if resume and (out / folder.CHECKPOINT).is_file():
        checkpoint = folder.read_checkpoint(out)
        method.load_state_dict(checkpoint["method"])
        optimiser.load_state_dict(checkpoint["optimiser"])
        schedule.load_state_dict(checkpoint["schedule"])
        done, loss = checkpoint["epoch"], checkpoint["loss"]
    _truncate_log(out / folder.LOG, done)
    method.train()
    with tqdm(total=config.epochs, initial=done, unit="epoch", disable=not progress) as bar:
        for epoch in range(done, config.epochs):
            # a seed of its own for each epoch: a resumed run draws what an uninterrupted one would have
            torch.manual_seed(config.seed * 1_000_003 + epoch + 1)
            line = _epoch(method, batches, optimiser, schedule, epoch)
            loss = line["loss"]
            with (out / folder.LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            state = {"method": method.state_dict(), "optimiser": optimiser.state_dict()}
            rest = {"schedule": schedule.state_dict(), "epoch": epoch + 1, "loss": loss}
            folder.write_checkpoint(out, state | rest)
            bar.update()
            bar.set_postfix(loss=f"{loss:.4f}")
    return config.epochs, loss


def _epoch(method: DSMHN, batches: Batches, optimiser: AdamW, schedule: OneCycleLR, epoch: int) -> dict[str, Any]:
    """One pass over the data; returns its line of the log."""
    started = time.monotonic()
    sums: dict[str, float] = {}
    for number, batch in enumerate(batches):
        terms = method.loss(batch)
        values = {name: float(term.detach()) for name, term in terms.items()}
        if not math.isfinite(values["loss"]):
            raise TrainingError(
                f"the loss is {values['loss']} in epoch {epoch + 1}, batch {number + 1} ({values}); "
                "lower learning_rate, or look for damaged pictures"
            )
        optimiser.zero_grad(set_to_none=True)
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value
    means = {name: value / len(batches) for name, value in sums.items()}
    rate = schedule.get_last_lr()[0]
    return {"epoch": epoch + 1, **means, "rate": rate, "seconds": round(time.monotonic() - started, 3)}


def _groups(method: DSMHN, config: TrainConfig) -> list[dict[str, Any]]:
    """Parameters that learn, those that were trained before (tail, word table) at a lower rate."""
    slow = [p for p in [*method.image.tail.parameters(), *method.text.embedding.parameters()] if p.requires_grad]
    ids = {id(p) for p in slow}
    fast = [p for p in method.parameters() if p.requires_grad and id(p) not in ids]
    groups = [{"params": fast, "lr": config.learning_rate}]
    if slow:
        groups.append({"params": slow, "lr": config.learning_rate * config.backbone_rate})
    return groups


def _truncate_log(path: Path, epochs: int) -> None:
    """Keep the lines of epochs that the checkpoint has; one more may have been written before an interruption."""
    lines = path.read_text(encoding="utf-8").splitlines()[:epochs] if path.is_file() else []
    folder.write_text(path, "".join(line + "\n" for line in lines))

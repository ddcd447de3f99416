"""The optimisation: epochs over batches, with a checkpoint and a line of the log after each."""

from __future__ import annotations

import json
import math
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from milvus_hash.errors import MilvusHashError
from milvus_hash_export import run as folder
from milvus_hash_export.batches import Batches, to_device
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.methods.base import Batch, Method
from milvus_hash_export.processes import Processes
from milvus_hash_export.validate import Validation

_ARITHMETIC = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_SHOWN = 8  # ids of a batch that a message names


class TrainingError(MilvusHashError):
    """The loss or a weight is no longer a number.

    Attributes:
        ids: The items of the batch.
    """

    def __init__(self, message: str, ids: list[str]) -> None:
        rest = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        super().__init__(f"{message}; the batch: {', '.join(ids[:_SHOWN])}{rest}")
        self.ids = ids


@dataclass(slots=True)
class Progress:
    """How far a training has come.

    Attributes:
        epoch: Epochs done.
        loss: Mean loss of the last.
        best: The best validation figure, NaN where there is none.
        best_epoch: The epoch that had it.
    """

    epoch: int = 0
    loss: float = math.nan
    best: float = math.nan
    best_epoch: int = 0


class Objective(nn.Module):
    """The method's loss and the values of its terms; what is copied to several devices."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to descend, and all terms as plain values."""
        terms = self.method(batch)
        return terms["loss"], {name: term.detach() for name, term in terms.items()}


class Fit:
    """A method with all that its optimisation needs.

    Args:
        method: What is trained, on the device of this process.
        batches: This process's share of the batches.
        config: Rates, precision, epochs and patience.
        processes: The processes that train together.
    """

    def __init__(self, method: Method, batches: Batches, config: TrainConfig, processes: Processes) -> None:
        self.method = method
        self.batches = batches
        self.config = config
        self.processes = processes
        self.optimiser = AdamW(_groups(method, config), weight_decay=config.weight_decay)
        steps = max(2, config.epochs * math.ceil(len(batches) / config.accumulate))
        rates = [group["lr"] for group in self.optimiser.param_groups]
        # the rate rises for a tenth of the steps; 1.5 of few, because torch divides by one less
        self.schedule = OneCycleLR(self.optimiser, rates, total_steps=steps, pct_start=max(0.1, 1.5 / steps))
        self.scaler = GradScaler(processes.device.type, enabled=config.precision == "fp16")
        self.model = processes.prepare(Objective(method))
        self.progress = Progress()

    def run(self, out: Path, validation: Validation | None, *, resume: bool, progress: bool) -> Progress:
        """Train for the epochs that are left, or until ``patience`` is at its end."""
        if resume and (out / folder.CHECKPOINT).is_file():
            self._load(out)
        state = self.progress
        if self.processes.main:
            _truncate_log(out / folder.LOG, state.epoch)
        with tqdm(total=self.config.epochs, initial=state.epoch, unit="epoch", disable=not progress) as bar:
            while state.epoch < self.config.epochs and not self._impatient(validation):
                line = self._epoch(state.epoch)
                state.epoch, state.loss = line["epoch"], line["loss"]
                if validation is not None:
                    line["validation"] = self._validate(validation, out)
                if self.processes.main:
                    with (out / folder.LOG).open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                    folder.write_checkpoint(out, self._state())
                bar.update()
                bar.set_postfix({name: f"{line[name]:.4f}" for name in ("loss", "validation") if name in line})
        self.processes.wait()
        return state

    def _impatient(self, validation: Validation | None) -> bool:
        waited = self.progress.epoch - self.progress.best_epoch
        return validation is not None and waited >= self.config.patience

    def _validate(self, validation: Validation, out: Path) -> float:
        """The figure of this epoch; the best weights are kept."""
        state = self.progress
        figure = self.processes.share(validation.figure(self.method) if self.processes.main else 0.0)
        if not state.best >= figure:  # NaN: there is none yet
            state.best, state.best_epoch = figure, state.epoch
            if self.processes.main:
                best = {"name": self.config.method, "method": self.method.state_dict(), "epoch": state.epoch}
                folder.write_checkpoint(out, best, folder.BEST)
        return figure

    def _epoch(self, epoch: int) -> dict[str, Any]:
        """One pass over the data; returns its line of the log."""
        started = time.monotonic()
        # seeds of its own for each epoch: a resumed run draws what an uninterrupted one would have
        torch.manual_seed(self.config.seed * 1_000_003 + epoch + 1 + 7_919 * self.processes.index)
        self.method.train()
        self.method.start_epoch(epoch, self.config.epochs)
        rate = self.schedule.get_last_lr()[0]  # of the first step
        sums: dict[str, float] = {}
        for number, batch in enumerate(self.batches.epoch(epoch)):
            for name, value in self._step(number, epoch, batch).items():
                sums[name] = sums.get(name, 0.0) + value
        means = self.processes.mean({name: value / len(self.batches) for name, value in sums.items()})
        return {"epoch": epoch + 1, **means, "rate": rate, "seconds": round(time.monotonic() - started, 3)}

    def _step(self, number: int, epoch: int, batch: Batch) -> dict[str, float]:
        """Add the gradient of one batch, and move the weights at the end of each ``accumulate`` batches."""
        group, within = divmod(number, self.config.accumulate)
        size = min(self.config.accumulate, len(self.batches) - group * self.config.accumulate)
        last = within + 1 == size
        kind = _ARITHMETIC[self.config.precision]
        device = self.processes.device
        with nullcontext() if last else self.processes.no_sync(self.model):
            with torch.autocast(device.type, dtype=kind, enabled=kind != torch.float32):
                loss, terms = self.model(to_device(batch, device))
            values = {name: float(term) for name, term in terms.items()}
            self._check(values["loss"], f"the loss is {values['loss']}", number, epoch, batch)
            self.scaler.scale(loss / size).backward()
        if last:
            self.scaler.unscale_(self.optimiser)
            norm = clip_grad_norm_(self.method.parameters(), self.config.clip_norm or math.inf)
            if not self.scaler.is_enabled():  # the scaler leaves such a step out by itself
                self._check(float(norm), f"the gradient is {float(norm)}", number, epoch, batch)
            self.scaler.step(self.optimiser)
            self.scaler.update()
            self.optimiser.zero_grad(set_to_none=True)
            self.schedule.step()
        return values

    def _check(self, value: float, what: str, number: int, epoch: int, batch: Batch) -> None:
        if math.isfinite(value):
            return
        raise TrainingError(
            f"{what} in epoch {epoch + 1}, batch {number + 1}; lower learning_rate, set clip_norm, or look for damaged "
            f"data ({folder.CHECKPOINT} still holds the epoch before)",
            [self.batches.items.ids[i] for i in batch.items.tolist()],
        )

    def _state(self) -> dict[str, Any]:
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {"name": self.config.method, "epoch": self.progress.epoch, "progress": asdict(self.progress)} | parts

    def _load(self, out: Path) -> None:
        checkpoint = folder.read_checkpoint(out, self.config.method)
        folder.restore(self.method, checkpoint, out)
        for name, part in self._parts().items():
            if part is not self.method:
                part.load_state_dict(checkpoint[name])
        self.progress = Progress(**checkpoint["progress"])

    def _parts(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "scaler": self.scaler,
        }


def _groups(method: Method, config: TrainConfig) -> list[dict[str, Any]]:
    """Parameters that learn, those that were trained before at a lower rate."""
    slow = [p for p in method.pretrained() if p.requires_grad]
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

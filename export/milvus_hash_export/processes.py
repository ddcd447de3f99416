"""One process or several that train together: a thin layer over accelerate."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import torch
from torch import nn

from milvus_hash.errors import InputError
from milvus_hash.extras import require


class Processes:
    """The processes that ``accelerate launch`` has started, or this one alone.

    Mixed precision is not accelerate's here: its state is global and could not change between two runs in a process.

    Attributes:
        main: Whether this is the one that writes files.
        index: Number of this process.
        count: How many there are.
        device: Where this process computes: the next GPU, else the CPU.
    """

    def __init__(self) -> None:
        accelerate = require("accelerate", "export")
        # the others wait while the main process computes the features, however long that takes
        wait = accelerate.InitProcessGroupKwargs(timeout=timedelta(days=7))
        # a method may train in stages, in which some parameters rest
        unused = accelerate.DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator = accelerate.Accelerator(mixed_precision="no", kwargs_handlers=[wait, unused])
        self.main: bool = self._accelerator.is_main_process
        self.index: int = self._accelerator.process_index
        self.count: int = self._accelerator.num_processes
        self.device: torch.device = self._accelerator.device

    def check_precision(self, precision: str) -> None:
        """Refuse what the device cannot compute.

        Raises:
            InputError: fp16 without a GPU.
        """
        if precision == "fp16" and self.device.type == "cpu":
            raise InputError("precision 'fp16' needs a GPU, and none is visible; take 'bf16' or 'no'")

    def wait(self) -> None:
        """Until all processes are here."""
        self._accelerator.wait_for_everyone()

    def main_first(self) -> AbstractContextManager[Any]:
        """Within it, the main process is done before the others begin."""
        context: AbstractContextManager[Any] = self._accelerator.main_process_first()
        return context

    def prepare(self, module: nn.Module) -> nn.Module:
        """The module on this process's device; with several processes its gradients are averaged over them."""
        prepared: nn.Module = self._accelerator.prepare_model(module)
        return prepared

    def no_sync(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Within it, gradients are added up without being averaged over the processes."""
        context: AbstractContextManager[Any] = self._accelerator.no_sync(module)
        return context

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Each value's mean over the processes; they must have the same names."""
        if self.count == 1:
            return dict(values)
        together = torch.tensor(list(values.values()), device=self.device)
        return dict(zip(values, self._accelerator.reduce(together, "mean").tolist(), strict=True))

    def share(self, value: float) -> float:
        """The value of the main process, in all; the others give 0."""
        if self.count == 1:
            return value
        return float(self._accelerator.reduce(torch.tensor(value, dtype=torch.float64, device=self.device), "sum"))

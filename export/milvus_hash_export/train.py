"""Training: a manifest becomes a run folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from milvus_hash.errors import InputError
from milvus_hash_export import run as folder
from milvus_hash_export.batches import Batches
from milvus_hash_export.config import TrainConfig, load_config, to_mapping
from milvus_hash_export.curves import draw_curves
from milvus_hash_export.fit import Fit
from milvus_hash_export.prepare import encode, read_training
from milvus_hash_export.processes import Processes
from milvus_hash_export.tokens import starting_words


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training did.

    Attributes:
        path: The run folder.
        pairs: Items trained on.
        rejected: Rows that could not be used; they stand in ``rejects.jsonl``.
        epochs: Epochs that the kept weights have seen.
        loss: Mean loss of the last epoch.
        validation: The figure of the kept weights; None where nothing was held out.
        seconds: Wall-clock time of this call.
    """

    path: Path
    pairs: int
    rejected: int
    epochs: int
    loss: float
    validation: float | None
    seconds: float


def train(
    manifest: str | Path,
    out: str | Path,
    *,
    recipe: str | Path | None = None,
    resume: bool = False,
    cache: str | Path | None = None,
    progress: bool = True,
    **overrides: object,
) -> TrainResult:
    """Train a method on the ``train`` rows of a manifest; leave a run folder.

    The folder holds ``config.json``, ``log.jsonl`` (one line an epoch), ``losses.png``, ``tokenizer.json``,
    ``rejects.jsonl``, ``checkpoint.pt`` (written after every epoch), with ``patience`` also ``best.pt``, and the
    features of the frozen networks. :func:`milvus_hash_export.run.load_run` makes networks of it.

    Under ``accelerate launch`` every process calls this with the same arguments. Each takes its share of every epoch;
    a batch, and with it the comparisons that a loss makes, stays within its process.

    Args:
        manifest: Parquet, JSONL, CSV or a folder; rows of split ``train`` with a picture (or clip) and a text are
            used, of a source without splits all of them.
        out: The run folder; made if missing.
        recipe: A TOML file or the name of one that ships with the package; None for the defaults.
        resume: Go on with the run in ``out``, with its settings; on the CPU the result equals that of an uninterrupted
            run. Without it an existing run is refused.
        cache: Folder for the features, which several runs may share; the run folder when absent.
        progress: Show bars on stderr.
        overrides: Fields of :class:`milvus_hash_export.config.TrainConfig`, such as ``method``, ``bits`` and ``seed``,
            and of the method's options; None means "as in the recipe".

    Raises:
        InputError: The manifest, the recipe or a setting cannot be used, or ``out`` holds another run.
        TrainingError: The loss became infinite or not a number; the message names the batch.

    Example:
        >>> train("clipart.jsonl", "runs/clipart", recipe="clipart", seed=1)  # doctest: +SKIP
    """
    started = time.monotonic()
    out = Path(out)
    processes = Processes()
    config = _config(out, recipe, resume, overrides)
    processes.check_precision(config.precision)
    rows = read_training(manifest, config)
    if resume and (have := folder.read_settings(out).rows) != rows.name:
        raise InputError(f"{manifest} is not what {out} was trained on (rows {rows.name}, the run has {have})")
    processes.wait()  # all have looked at the folder before one writes to it
    gpu = [processes.device] if processes.device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpu):
        torch.manual_seed(config.seed)
        tokenizer, table = starting_words(config, rows.training_texts())
        settings = folder.Settings(
            config,
            str(Path(manifest).absolute()),
            rows.name,
            tuple(rows.pairs.names),
            rows.pairs.visual,
            int((~rows.held).sum()),
            None if table is None else (table.shape[0], table.shape[1]),
        )
        method = folder.build_method(settings, table, weights=config.weights).to(processes.device)
        if processes.main:
            out.mkdir(parents=True, exist_ok=True)
            folder.write_text(out / folder.TOKENIZER, tokenizer)
            folder.write_settings(out, settings)
        processes.wait()
        data = encode(method, rows, config, out, Path(cache or out), processes, progress=progress)
        batches = Batches(data.training, config, process=processes.index, processes=processes.count)
        fit = Fit(method, batches, config, processes)
        state = fit.run(out, data.validation, resume=resume, progress=progress and processes.main)
    if processes.main:
        draw_curves(out / folder.LOG, out / folder.CURVES)
    return TrainResult(
        out,
        len(data.training),
        data.rejected,
        state.best_epoch if data.validation else state.epoch,
        state.loss,
        state.best if data.validation else None,
        time.monotonic() - started,
    )


def _config(out: Path, recipe: str | Path | None, resume: bool, overrides: dict[str, object]) -> TrainConfig:
    """The settings of the run; an existing folder is neither overwritten nor resumed with others."""
    exists = (out / folder.CONFIG).is_file()
    if not exists:
        if resume:
            raise InputError(f"nothing to resume: {out} has no {folder.CONFIG}")
        return load_config(recipe, **overrides)
    if not resume:
        raise InputError(f"{out} already holds a run; resume it, or choose another folder")
    stored = folder.read_settings(out).config
    asked = _flat(load_config(recipe, **({"method": stored.method} | overrides)))
    have = _flat(stored)
    given = asked if recipe is not None else [name for name, value in overrides.items() if value is not None]
    for name in given:
        if asked[name] != have.get(name):
            raise InputError(f"{out} was started with {name} = {have.get(name)!r}, not {asked[name]!r}")
    return stored


def _flat(config: TrainConfig) -> dict[str, object]:
    """All settings by name, the method's own beside the shared ones."""
    values = to_mapping(config)
    options: dict[str, object] = values.pop("options")
    return values | options

"""Training: a manifest becomes a run folder."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from milvus_hash.errors import InputError, MilvusHashError
from milvus_hash.media.text import Tokenizer
from milvus_hash.record import Reject
from milvus_hash_export import run as folder
from milvus_hash_export.build import build_method
from milvus_hash_export.config import TrainConfig, from_mapping, load_config, to_mapping
from milvus_hash_export.curves import draw_curves
from milvus_hash_export.data import Pairs, read_pairs, write_rejects
from milvus_hash_export.features import cached_features
from milvus_hash_export.methods.dsmhn import DSMHN, Batch
from milvus_hash_export.tokens import build_tokenizer, encoder_folder, load_encoder, random_table, vocabulary_size

log = logging.getLogger(__name__)


class TrainingError(MilvusHashError):
    """The loss is no longer a number."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training did.

    Attributes:
        path: The run folder.
        pairs: Items trained on.
        rejected: Rows that could not be used; they stand in ``rejects.jsonl``.
        epochs: Epochs that the weights have seen.
        loss: Mean loss of the last epoch.
        seconds: Wall-clock time of this call.
    """

    path: Path
    pairs: int
    rejected: int
    epochs: int
    loss: float
    seconds: float


def train(
    manifest: str | Path,
    out: str | Path,
    *,
    recipe: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    **overrides: object,
) -> TrainResult:
    """Train a method on the ``train`` rows of a manifest; leave a run folder.

    The folder holds ``config.json``, ``log.jsonl`` (one line an epoch), ``losses.png``, ``tokenizer.json``,
    ``rejects.jsonl``, ``checkpoint.pt`` (written after every epoch) and the features of the frozen backbone.
    :func:`milvus_hash_export.run.load_run` makes networks of it.

    Args:
        manifest: Parquet, JSONL, CSV or a folder; rows of split ``train`` with a picture and a text are used, of
            a source without splits all of them.
        out: The run folder; made if missing.
        recipe: A TOML file or the name of one that ships with the package; None for the defaults.
        resume: Go on with the run in ``out``, with its settings; the result equals that of an uninterrupted run.
            Without it an existing run is refused.
        progress: Show bars on stderr.
        overrides: Fields of :class:`milvus_hash_export.config.TrainConfig`, such as ``method``, ``bits`` and ``seed``;
            None means "as in the recipe".

    Raises:
        InputError: The manifest, the recipe or a setting cannot be used, or ``out`` holds another run.
        TrainingError: The loss became infinite or not a number; the message names the batch.

    Example:
        >>> train("clipart.jsonl", "runs/clipart", recipe="clipart", seed=1)  # doctest: +SKIP
    """
    started = time.monotonic()
    out = Path(out)
    config = _config(out, recipe, resume, overrides)
    pairs, rejects = read_pairs(manifest)
    data = _identify(pairs)
    if resume and (have := folder.read_settings(out)["data"]) != data:
        raise InputError(f"{manifest} is not what {out} was trained on (rows {data}, the run has {have})")
    out.mkdir(parents=True, exist_ok=True)
    folder.write_settings(out, config, pairs.names, str(manifest), data)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        table = _tokens(config, pairs, out)
        method = build_method(config, table, len(pairs.names), weights=config.weights)
        features = cached_features(method.image, pairs.images, config, out, progress=progress)
        rejects += [Reject(pairs.ids[i], pairs.images[i], reason) for i, reason in features.reasons.items()]
        pairs = pairs.keep(features.good)
        write_rejects(out / folder.REJECTS, rejects)
        if rejects:
            log.warning("%d rows cannot be used; see %s", len(rejects), out / folder.REJECTS)
        loader = Batches(pairs, features.values[torch.from_numpy(features.good)], out, config)
        epochs, loss = _fit(method, loader, config, out, resume=resume, progress=progress)
    draw_curves(out / folder.LOG, out / folder.CURVES)
    return TrainResult(out, len(pairs), len(rejects), epochs, loss, time.monotonic() - started)


class Batches:
    """Shuffled batches of the cached features, the tokenised texts and the labels."""

    def __init__(self, pairs: Pairs, features: Tensor, out: Path, config: TrainConfig) -> None:
        """Tokenise every text; a pair's picture and text are drawn from its views and texts."""
        if len(pairs) < 2:
            raise InputError(f"{len(pairs)} pair can be used; a pairwise loss needs at least 2")
        self._features = features
        texts = [text for item in pairs.texts for text in item]
        ids, mask = Tokenizer(out / folder.TOKENIZER, config.text_length)(texts)
        self._ids, self._mask = torch.from_numpy(ids), torch.from_numpy(mask)
        self._count = torch.tensor([len(item) for item in pairs.texts])
        self._first = self._count.cumsum(0) - self._count
        self._labels = torch.from_numpy(pairs.labels).float()
        self._size = min(config.batch_size, len(pairs))

    def __len__(self) -> int:
        """Batches per epoch; the last incomplete one is left out, so that batch statistics stay sound."""
        return len(self._count) // self._size

    def __iter__(self) -> Iterator[Batch]:
        """One epoch, decided by torch's current seed."""
        order = torch.randperm(len(self._count))
        for rows in order[: len(self) * self._size].view(-1, self._size):
            views = torch.randint(self._features.shape[1], (len(rows),))
            texts = self._first[rows] + (torch.rand(len(rows)) * self._count[rows]).long()
            features = self._features[rows, views].float()
            yield Batch(features, self._ids[texts], self._mask[texts], self._labels[rows])


def _fit(
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


def _tokens(config: TrainConfig, pairs: Pairs, out: Path) -> Tensor:
    """Write ``tokenizer.json``; returns the starting word table."""
    if config.embeddings:
        tokenizer, table = load_encoder(encoder_folder(config.embeddings), config.embedding_dim)
    else:
        tokenizer = build_tokenizer((text for item in pairs.texts for text in item), config.vocabulary)
        table = random_table(vocabulary_size(tokenizer), config.embedding_dim)
    folder.write_text(out / folder.TOKENIZER, tokenizer)
    return table


def _config(out: Path, recipe: str | Path | None, resume: bool, overrides: dict[str, object]) -> TrainConfig:
    """The settings of the run; an existing folder is neither overwritten nor resumed with others."""
    exists = (out / folder.CONFIG).is_file()
    if not exists:
        if resume:
            raise InputError(f"nothing to resume: {out} has no {folder.CONFIG}")
        return load_config(recipe, **overrides)
    if not resume:
        raise InputError(f"{out} already holds a run; resume it, or choose another folder")
    stored = from_mapping(folder.read_settings(out)["config"])
    asked, have = to_mapping(load_config(recipe, **overrides)), to_mapping(stored)
    given = asked if recipe is not None else [name for name, value in overrides.items() if value is not None]
    for name in given:
        if asked[name] != have[name]:
            raise InputError(f"{out} was started with {name} = {have[name]!r}, not {asked[name]!r}")
    return stored


def _identify(pairs: Pairs) -> str:
    """A short name for the training rows, to notice a changed manifest on resume."""
    digest = hashlib.sha256(repr((pairs.ids, pairs.texts, pairs.names)).encode())
    digest.update(np.ascontiguousarray(pairs.labels).tobytes())
    return digest.hexdigest()[:16]


def _truncate_log(path: Path, epochs: int) -> None:
    """Keep the lines of epochs that the checkpoint has; one more may have been written before an interruption."""
    lines = path.read_text(encoding="utf-8").splitlines()[:epochs] if path.is_file() else []
    folder.write_text(path, "".join(line + "\n" for line in lines))

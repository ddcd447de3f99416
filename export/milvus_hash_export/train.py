"""Training: a manifest becomes a run folder."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from milvus_hash.errors import InputError
from milvus_hash.record import Reject
from milvus_hash_export import run as folder
from milvus_hash_export.batches import Batches
from milvus_hash_export.build import build_method
from milvus_hash_export.config import TrainConfig, from_mapping, load_config, to_mapping
from milvus_hash_export.curves import draw_curves
from milvus_hash_export.data import Pairs, read_pairs, write_rejects
from milvus_hash_export.features import cached_features
from milvus_hash_export.fit import fit
from milvus_hash_export.tokens import build_tokenizer, encoder_folder, load_encoder, random_table, vocabulary_size

log = logging.getLogger(__name__)


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
    folder.write_settings(out, config, pairs.names, str(Path(manifest).absolute()), data)
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
        loader = Batches(pairs, features.values[torch.from_numpy(features.good)], out / folder.TOKENIZER, config)
        epochs, loss = fit(method, loader, config, out, resume=resume, progress=progress)
    draw_curves(out / folder.LOG, out / folder.CURVES)
    return TrainResult(out, len(pairs), len(rejects), epochs, loss, time.monotonic() - started)


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

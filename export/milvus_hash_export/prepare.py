"""From the rows of a manifest to items that a method can be trained and validated on."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError
from milvus_hash.record import Record, Reject
from milvus_hash_export import run as folder
from milvus_hash_export.batches import Items, make_items
from milvus_hash_export.boxes import read_boxes
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.data import Pairs, find_pairs, held_out, read_records, training_split, write_rejects
from milvus_hash_export.features import Features, cached_features
from milvus_hash_export.methods import METHODS
from milvus_hash_export.methods.base import Method
from milvus_hash_export.processes import Processes
from milvus_hash_export.validate import Validation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a manifest holds for a training.

    Attributes:
        pairs: The pairs of split ``train``.
        held: Which of them are kept for validation.
        validation: The pairs of split ``val``, where they are used.
        rejects: Rows that cannot be.
        name: Identifies the pairs, to notice a changed manifest on resume.
    """

    pairs: Pairs
    held: NDArray[np.bool_]
    validation: Pairs | None
    rejects: list[Reject]
    name: str

    def training_texts(self) -> Iterator[str]:
        """All texts that are trained on."""
        return (text for item, held in zip(self.pairs.texts, self.held, strict=True) if not held for text in item)


@dataclass(frozen=True, slots=True)
class Data:
    """Items ready to be batched, and how many rows could not be used."""

    training: Items
    validation: Validation | None
    rejected: int


def read_training(manifest: str | Path, config: TrainConfig) -> Rows:
    """Read the pairs to train on and, where ``patience`` asks for them, those to validate on.

    These are the rows of split ``val``, or a share of the training rows. A row of split ``query`` is never among them:
    a stop chosen on the queries would spoil every figure measured on them.

    Raises:
        InputError: The manifest cannot be read, or has too few pairs.
    """
    records, rejects = read_records(manifest)
    split = training_split(records)
    pairs, more = _usable(records, split, config)
    rejects += more
    if len(pairs) < 2:
        reason = "".join(f", most of them: {why}" for why, _ in Counter(r.reason for r in rejects).most_common(1))
        raise InputError(
            f"{manifest} has {len(pairs)} rows of split {split!r} that can be trained on; at least 2 are needed "
            f"({len(records)} rows read, {len(rejects)} rejected{reason})"
        )
    held = np.zeros(len(pairs), dtype=bool)
    validation = None
    if config.patience:
        apart, more = _usable([r for r in records if "query" not in r.splits], "val", config, pairs.visual)
        rejects += more
        if len(apart):
            validation = apart
        else:
            queries = {record.id for record in records if "query" in record.splits}
            asked = np.array([name in queries for name in pairs.ids], dtype=bool)
            held = held_out(pairs.ids, config.validation) & ~asked
        if len(apart) == 1 or (not len(apart) and min(held.sum(), (~held).sum()) < 2):
            raise InputError(
                f"{len(apart) or int(held.sum())} pairs to validate on, {int((~held).sum())} to train on: at least 2 "
                "of each are needed; give more rows the split 'val', change validation, or set patience to 0"
            )
    return Rows(pairs, held, validation, rejects, _identify(pairs, held, validation))


def encode(
    method: Method, rows: Rows, config: TrainConfig, out: Path, cache: Path, processes: Processes, *, progress: bool
) -> Data:
    """Features of all items, computed by the main process while the others wait, and the rejects file.

    Raises:
        InputError: No picture or clip can be decoded, or boxes do not go with the settings.
    """
    progress = progress and processes.main
    plain = replace(config, views=1)
    rejects, notes = list(rows.rejects), list[Reject]()
    apart = None
    with processes.main_first():
        features = _features(method, rows.pairs, config, cache, rejects, notes, progress=progress)
        if rows.validation is not None:
            apart = _features(method, rows.validation, plain, cache, rejects, notes, progress=progress)
    if processes.main:
        write_rejects(out / folder.REJECTS, rejects + notes)
    if processes.main and (rejects or notes):
        log.warning("%d rows cannot be used, %d were changed; see %s", len(rejects), len(notes), out / folder.REJECTS)
    items = make_items(rows.pairs, features, method.text, out / folder.TOKENIZER, config)
    held = rows.held[features.good]
    validation = None
    if rows.validation is not None and apart is not None:
        validation = Validation(make_items(rows.validation, apart, method.text, out / folder.TOKENIZER, config))
    elif config.patience:
        validation = Validation(items.part(held))
    return Data(items.part(~held), validation, len(rejects))


def _features(
    method: Method,
    pairs: Pairs,
    config: TrainConfig,
    cache: Path,
    rejects: list[Reject],
    notes: list[Reject],
    *,
    progress: bool,
) -> Features:
    """Features of the pairs' pictures or clips; what fails joins ``rejects``, what had to be changed ``notes``."""
    boxes = None
    if method.visual.takes_boxes:
        boxes, changed = read_boxes(pairs, config)
        notes += changed
    features = cached_features(
        method.visual, pairs.visual, pairs.sources, config, cache, boxes=boxes, progress=progress
    )
    rejects += [pairs.reject(i, reason) for i, reason in features.reasons.items()]
    return features


def _usable(records: Sequence[Record], split: str, config: TrainConfig, visual: str = "") -> tuple[Pairs, list[Reject]]:
    """The pairs of a split that the method can be trained on, and the others."""
    pairs, rejects = find_pairs(records, split, visual or config.visual)
    if METHODS[config.method].needs_labels:
        known = np.asarray(pairs.labels.any(axis=1))
        reason = f"no labels, and method {config.method} needs labels"
        rejects += [pairs.reject(i, reason) for i in np.flatnonzero(~known).tolist()]
        pairs = pairs.keep(known)
    return pairs, rejects


def _identify(pairs: Pairs, held: NDArray[np.bool_], validation: Pairs | None) -> str:
    """A short name for the rows."""
    digest = hashlib.sha256(held.tobytes())
    for part in (pairs, validation):
        if part is not None:
            digest.update(repr((part.visual, part.ids, part.texts, part.names, part.boxes)).encode())
            digest.update(np.ascontiguousarray(part.labels).tobytes())
    return digest.hexdigest()[:16]

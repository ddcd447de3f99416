"""What an exported graph keeps of the network that it was made of: parity, agreement, mAP, size and speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from milvus_hash.bundle import ImageInput, TextInput, VideoInput
from milvus_hash.codes import Codes, pack
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.evaluate.report import evaluate
from milvus_hash.manifest import read_source
from milvus_hash.media.text import Tokenizer, check_text
from milvus_hash.record import Record
from milvus_hash.runtime import open_session
from milvus_hash_export.inputs import load_visual
from milvus_hash_export.run import Run

Value = TypeVar("Value")

_BATCH = {"image": 32, "video": 4, "text": 32}
_TIMED = {"image": 64, "video": 8, "text": 256}  # inputs of a round
_ROUNDS = 3


def sources_of(trained: Run, modality: str, split: str) -> list[str]:
    """Paths or texts of a split; of the whole manifest where no row is of the split.

    Raises:
        InputError: The manifest of the run cannot be read.
    """
    try:
        records = [row for row in read_source(trained.manifest) if isinstance(row, Record)]
    except InputError as error:
        raise InputError(f"the manifest of {trained.path} cannot be read: {error}") from error
    records = [row for row in records if split in row.splits] or records
    if modality == "text":
        return [text for record in records for text in record.texts]
    return [path for path in (getattr(record, modality) for record in records) if path]


def feeds(trained: Run, modality: str, sources: Iterable[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """Batches of graph inputs by name; sources that cannot be decoded are left out."""
    for batch in _batches(_usable(sources, trained.inputs[modality]), _BATCH[modality]):
        yield _feed(trained, modality, [value for _, value in batch])


def parity(trained: Run, encoder: Encoder, sources: Mapping[str, list[str]]) -> dict[str, Any]:
    """Share of bits on which ``encoder`` and torch agree (``bits_equal``), and the number of inputs, per modality."""
    result = {}
    for modality, stream in trained.streams.items():
        equal: list[float] = []
        for batch in _batches(_usable(sources[modality], trained.inputs[modality]), _BATCH[modality]):
            given = enumerate(source for source, _ in batch)  # a text that is too long is cut by both: no warning
            served = np.stack([row.code for row in encoder.stream(modality, given) if row.code is not None])
            inputs = _feed(trained, modality, [value for _, value in batch]).values()
            with torch.inference_mode():
                expected = pack(stream(*map(torch.from_numpy, inputs)).numpy())
            equal += _equal_bits(served, expected)
        result[modality] = {"bits_equal": _mean(equal), "inputs": len(equal)}
    return result


def cost(
    trained: Run, encoder: Encoder, small: Encoder, sources: Mapping[str, list[str]], precision: str
) -> dict[str, Any]:
    """What the graphs of ``small`` lose and gain against the float ones of ``encoder``; see ``export``."""
    encoders = {"float32": encoder, precision: small}
    result: dict[str, Any] = {
        "precision": precision,
        "agreement": {key: _agreement(encoder, small, key, mine) for key, mine in sources.items()},
        "bytes": {key: {p: len(_graph(e, key)) for p, e in encoders.items()} for key in sources},
        "items_per_second": {
            key: _rates(encoders, key, list(feeds(trained, key, mine[: _TIMED[key]]))) for key, mine in sources.items()
        },
    }
    try:
        reports = {f"map_{p}": evaluate(e, trained.manifest) for p, e in encoders.items()}
    except InputError:  # the manifest has no query or no database split: nothing to rank
        return result
    for key, report in reports.items():
        result[key] = {f"{task.task}@{task.bits}": round(task.map, 4) for task in report.tasks}
    return result


def _agreement(encoder: Encoder, small: Encoder, modality: str, sources: list[str]) -> float | None:
    """Share of equal bits over the sources that can be decoded."""
    both = (one.stream(modality, enumerate(sources)) for one in (encoder, small))
    codes = [(a.code, b.code) for a, b in zip(*both, strict=True) if a.code is not None and b.code is not None]
    return _mean([share for a, b in codes for share in _equal_bits(a[None], b[None])])


def _rates(encoders: Mapping[str, Encoder], modality: str, batches: list[dict[str, NDArray[Any]]]) -> dict[str, float]:
    """Inputs per second of each graph alone: medians of rounds in which they take turns."""
    sessions = {
        key: open_session(_graph(one, modality), key, providers=one.providers, threads=one.threads, arena=True)
        for key, one in encoders.items()
    }
    count = sum(len(next(iter(batch.values()))) for batch in batches)
    seconds: dict[str, list[float]] = {key: [] for key in sessions}
    for _ in range(_ROUNDS + 1):
        for key, session in sessions.items():
            start = time.perf_counter()
            for batch in batches:
                session.run(["code"], batch)
            seconds[key].append(time.perf_counter() - start)
    return {key: round(count / statistics.median(values[1:]), 1) for key, values in seconds.items()}  # 1: warm


def _graph(encoder: Encoder, modality: str) -> bytes:
    return encoder.bundle.read(encoder.bundle.modalities[modality].graph)


def _feed(trained: Run, modality: str, values: list[Any]) -> dict[str, NDArray[Any]]:
    target = trained.inputs[modality]
    if isinstance(target, TextInput):
        input_ids, attention_mask = Tokenizer(trained.tokenizer, target.length)(values)
        return {"input_ids": input_ids, "attention_mask": attention_mask}
    return {modality: np.stack(values)}


def _usable(
    sources: Iterable[str], target: ImageInput | VideoInput | TextInput
) -> Iterator[tuple[str, str | NDArray[np.uint8]]]:
    """Each source with its decoded value; those that cannot be decoded are left out."""
    for source in sources:
        try:
            yield source, check_text(source) if isinstance(target, TextInput) else load_visual(source, target)
        except InputError:
            continue


def _batches(values: Iterable[Value], size: int) -> Iterator[list[Value]]:
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def _equal_bits(a: Codes, b: Codes) -> list[float]:
    """Share of equal bits of each pair of codes ``(n, bits // 8)``."""
    shares: list[float] = (1.0 - np.bitwise_count(a ^ b).mean(axis=1) / 8).tolist()
    return shares


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None

"""The report of a bundle on a manifest: retrieval figures per task and length, with their conventions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.evaluate.conventions import CONVENTIONS, FLOAT_CONVENTIONS
from milvus_hash.evaluate.dataset import EncodedSet, EvaluationSet, Progress, encode, read_evaluation_set
from milvus_hash.evaluate.directions import Direction, directions
from milvus_hash.evaluate.figures import Bits, Pairs, Task, bit_figures, pair_figures, task_figures
from milvus_hash.evaluate.floats import Score, float_scores
from milvus_hash.media.modalities import RECORDED
from milvus_hash.plain import plain
from milvus_hash.record import Reject

KS = (1, 5, 10, 50, 100)


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`evaluate` found out.

    ``floats`` is empty unless it was asked for; ``notes`` say which figures are left out, and why.
    """

    bundle: str
    method: str
    fingerprint: str
    manifest: str
    overlap: int
    tasks: tuple[Task, ...]
    pairs: tuple[Pairs, ...]
    floats: tuple[Score, ...]
    bits: tuple[Bits, ...]
    notes: tuple[str, ...]
    rejects: tuple[Reject, ...]

    @property
    def conventions(self) -> dict[str, str]:
        """What each figure means."""
        return {**CONVENTIONS, **(FLOAT_CONVENTIONS if self.floats else {})}

    def to_json(self) -> str:
        """The report as JSON with its conventions; a figure that does not exist is null."""
        return to_json({**asdict(self), "conventions": self.conventions})


def evaluate(
    encoder: Encoder,
    manifest: Path | str,
    *,
    bits: Sequence[int] | None = None,
    ks: Sequence[int] = KS,
    floats: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Measure ``encoder`` on the ``query`` and ``database`` splits of a manifest.

    Every item is encoded once; shorter lengths are prefixes of its code. A task is left out where one of its sides
    has no code, the labelled tasks where no item has labels or nothing is in ``database``, and one to one where no
    picture or clip stands in a row with a text.

    Args:
        encoder: The bundle to measure.
        manifest: A manifest, or an image folder with a ``metadata`` file.
        bits: Lengths that the bundle lists; all of them when absent.
        ks: The cut-offs.
        floats: Rank with float vectors too (the ceiling of the codes), and with rescored codes.
        progress: Called after each item with its modality and the number of items done of it.

    Raises:
        InputError: The bundle lacks a length, a cut-off is below 1, no row is in ``query``, nothing of it can be
            measured, or the manifest cannot be read.
    """
    lengths = check_lengths(encoder, bits, ks)
    data = read_evaluation_set(manifest)
    encoded, rejects = encode_all(encoder, data, vectors=float_names(encoder) if floats else (), progress=progress)
    return measure(encoder, data, encoded, rejects, lengths, ks)


def check_lengths(encoder: Encoder, bits: Sequence[int] | None, ks: Sequence[int]) -> list[int]:
    """The lengths to measure.

    Raises:
        InputError: There is none, or the bundle lacks one; or there is no cut-off, or one below 1.
    """
    lengths = [encoder.check_bits(length) for length in (encoder.bundle.bits if bits is None else bits)]
    if not lengths or not ks or min(ks) < 1:
        raise InputError(f"bits={list(lengths)} and ks={list(ks)}: at least one each is needed, and no k below 1")
    return lengths


def float_names(encoder: Encoder) -> list[str]:
    """The vectors that every modality of ``encoder`` has and that may be compared across them."""
    shared = all("embedding" in encoder.vector_names(modality) for modality in encoder.modalities)
    return ["logits", *(["embedding"] if shared else [])]


def encode_all(
    encoder: Encoder, data: EvaluationSet, *, vectors: Sequence[str] = (), progress: Progress | None = None
) -> tuple[dict[str, EncodedSet], tuple[Reject, ...]]:
    """Every modality of the bundle, and what was rejected on the way."""
    rejects = list(data.rejects)
    encoded: dict[str, EncodedSet] = {
        modality: encode(encoder, modality, data, rejects, vectors=vectors, progress=progress)
        for modality in RECORDED
        if modality in encoder.modalities
    }
    return encoded, tuple(rejects)


def measure(
    encoder: Encoder,
    data: EvaluationSet,
    encoded: Mapping[str, EncodedSet],
    rejects: tuple[Reject, ...],
    lengths: Sequence[int],
    ks: Sequence[int],
) -> Report:
    """The report of codes that are made; it has ``floats`` where ``encoded`` has vectors.

    Raises:
        InputError: There is neither anything that labels could find nor a pair.
    """
    ways = directions(data, encoded)
    notes = tuple(_left_out(data, ways))
    if not ways:
        raise InputError(f"{data.path}: nothing can be measured ({len(rejects):,} rejected). {' '.join(notes)}")
    codes = {modality: rows.of(data.searched) for modality, rows in encoded.items()}
    return Report(
        bundle=encoder.bundle.name,
        method=encoder.bundle.method,
        fingerprint=encoder.fingerprint,
        manifest=data.path,
        overlap=int((data.query & data.database).sum()),
        tasks=tuple(task for bits in lengths for task in task_figures(ways, bits, ks)),
        pairs=tuple(pairs for bits in lengths for pairs in pair_figures(ways, bits, ks)),
        floats=tuple(float_scores(ways, lengths, ks)),
        bits=tuple(
            bit_figures(modality, rows, bits) for bits in lengths for modality, rows in codes.items() if len(rows.codes)
        ),
        notes=notes,
        rejects=rejects,
    )


def _left_out(data: EvaluationSet, ways: Sequence[Direction]) -> Iterator[str]:
    """Which figures there are none of, and why."""
    if not any(way.labels for way in ways):
        reason = "the rows have no labels" if not data.labels.any() else "what could be encoded has none"
        if not data.database.any():
            reason = "no row is in the split 'database', which labels would search"
        yield f"No mAP: {reason}."
    if not any(way.pairs for way in ways):
        yield "No figures one to one: no picture or clip of the split 'query' stands in a row with a text."


def to_json(document: Mapping[str, Any]) -> str:
    """JSON of a report; what is not a number is null, as JSON has no NaN."""
    return json.dumps(plain(document), indent=1, ensure_ascii=False)

"""Several bundles, and baselines, on one manifest: the method x bits table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.evaluate.baselines.measure import Baseline, fitted_baselines, own_baselines
from milvus_hash.evaluate.conventions import BASELINE_CONVENTIONS, CONVENTIONS, FLOAT_CONVENTIONS
from milvus_hash.evaluate.dataset import Progress, read_evaluation_set
from milvus_hash.evaluate.report import KS, Report, check_lengths, encode_all, float_names, measure, to_json
from milvus_hash.evaluate.table import Line, lines


@dataclass(frozen=True, slots=True)
class Comparison:
    """What :func:`compare` found out.

    Attributes:
        manifest: The manifest.
        reports: By name, the report of each bundle.
        baselines: What they are compared with; empty unless it was asked for.
        lines: Everything as one table.
        notes: What was left out, and why.
    """

    manifest: str
    reports: Mapping[str, Report]
    baselines: tuple[Baseline, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def conventions(self) -> dict[str, str]:
        """What each figure means."""
        return {**CONVENTIONS, **({**FLOAT_CONVENTIONS, **BASELINE_CONVENTIONS} if self.baselines else {})}

    def to_json(self) -> str:
        """The table with its conventions as JSON; a figure that does not exist is null."""
        bundles = {name: {"method": r.method, "fingerprint": r.fingerprint} for name, r in self.reports.items()}
        return to_json(
            {
                "manifest": self.manifest,
                "bundles": bundles,
                "lines": [line.row() for line in self.lines],
                "notes": self.notes,
                "conventions": self.conventions,
            }
        )


def compare(
    encoders: Sequence[Encoder],
    manifest: Path | str,
    *,
    bits: Sequence[int] | None = None,
    ks: Sequence[int] = KS,
    baselines: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Measure several bundles on one manifest, each as :func:`milvus_hash.evaluate.report.evaluate` does.

    One bundle is in memory at a time, with the codes and float vectors of every item.

    Args:
        encoders: The bundles.
        manifest: A manifest, or an image folder with a ``metadata`` file.
        bits: Lengths that every bundle lists; all of each bundle when absent.
        ks: The cut-offs.
        baselines: Compare with float vectors and with baselines at equal bits. They are fitted to the split
            ``train`` of the manifest, on the frozen features that the graphs of the first bundle give.
        progress: Called after each item with its modality and the number of items done of it.

    Raises:
        InputError: As in :func:`milvus_hash.evaluate.report.evaluate`; no bundle; or baselines are asked for and there
            is no split ``train`` or the first bundle's graphs are without ``features``.
    """
    if not encoders:
        raise InputError("there is no bundle to measure; name at least one")
    lengths = [check_lengths(encoder, bits, ks) for encoder in encoders]
    every = sorted(set().union(*lengths))
    reports: dict[str, Report] = {}
    others: list[Baseline] = []
    for number, (name, encoder) in enumerate(zip(_names(encoders), encoders, strict=True)):
        first = baselines and number == 0
        data = read_evaluation_set(manifest, train=first)
        vectors = [*(float_names(encoder) if baselines else ()), *(["features"] if first else ())]
        encoded, rejects = encode_all(encoder, data, vectors=vectors, progress=progress)
        reports[name] = measure(encoder, data, encoded, rejects, lengths[number], ks)
        encoded = {modality: rows for modality, rows in encoded.items() if len(rows.items)}
        if first:
            others += fitted_baselines(data, encoded, every, ks)
        if baselines:
            own = own_baselines(data, encoded, reports[name].floats, every, ks)
            others += [replace(entry, name=f"{entry.name} of {name}") for entry in own]
    table = [line for name, report in reports.items() for line in lines(name, report)]
    table += [line for entry in others for line in lines(entry.name, entry)]
    notes = dict.fromkeys(note for report in reports.values() for note in report.notes)
    return Comparison(str(manifest), reports, tuple(others), tuple(table), (*notes, *_notes(others, every)))


def _names(encoders: Sequence[Encoder]) -> list[str]:
    """The bundles' names; with the folder where two have the same."""
    count = Counter(encoder.bundle.name for encoder in encoders)
    return [
        e.bundle.name if count[e.bundle.name] == 1 else f"{e.bundle.name} ({n}: {e.bundle.path})"
        for n, e in enumerate(encoders, start=1)
    ]


def _notes(baselines: Sequence[Baseline], lengths: Sequence[int]) -> Iterator[str]:
    for entry in baselines:
        measured = {task.bits for task in entry.tasks} | {pairs.bits for pairs in entry.pairs}
        if missing := [bits for bits in lengths if bits not in measured]:
            yield f"{entry.name} has fewer numbers than {missing[0]} bits need: {missing} left out"

"""A comparison as files: ``comparison.json``, ``.md`` and ``.png``, and the report of each bundle in its own folder."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from milvus_hash.evaluate.compare import Comparison
from milvus_hash.evaluate.plot_comparison import draw_comparison
from milvus_hash.evaluate.table import Line
from milvus_hash.evaluate.write import table, write, write_files

K = 10  # of the one-to-one figures that Markdown shows
_STORED = ("code", "rescored")


def write_comparison(comparison: Comparison, folder: Path | str) -> tuple[Path, ...]:
    """Write everything into ``folder`` and return the paths, those of the comparison first.

    Raises:
        InputError: The folder cannot be written.
        MissingExtra: matplotlib is not installed; JSON and Markdown of the comparison are there by then.
    """
    folder = Path(folder)
    draw_picture = partial(draw_comparison, comparison)
    paths = write_files(folder, "comparison", comparison.to_json(), comparison_markdown(comparison), draw_picture)
    folders = [f"{n}-{_slug(report.bundle)}" for n, report in enumerate(comparison.reports.values(), start=1)]
    reports = zip(comparison.reports.values(), folders, strict=True)
    return (*paths, *(path for report, name in reports for path in write(report, folder / name)))


def comparison_markdown(comparison: Comparison) -> str:
    """The method x bits tables of every task, with the meaning of each figure below them."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"# Comparison on {Path(comparison.manifest).name}\n"
    yield from table(
        ["bundle", "method", "fingerprint"],
        [(name, report.method, f"`{report.fingerprint[:12]}`") for name, report in comparison.reports.items()],
    )
    tasks = dict.fromkeys(line.score.task for line in comparison.lines)
    for task in tasks:
        here = [line for line in comparison.lines if line.score.task == task]
        if not all(math.isnan(line.score.map) for line in here):
            yield f"\n## {task}: mAP by labels\n"
            yield from _grid(here, hits=False)
        if any(K in line.score.hit for line in here):
            yield f"\n## {task}: own partner among the first {K}, one to one\n"
            yield from _grid([line for line in here if K in line.score.hit], hits=True)
    if comparison.notes:
        yield "\n## Left out\n"
        yield from (f"- {note}" for note in comparison.notes)
    yield "\n## Conventions\n"
    yield from (f"- **{name}**: {meaning}." for name, meaning in comparison.conventions.items())


def _grid(lines: Sequence[Line], *, hits: bool) -> Iterator[str]:
    """Methods down, lengths across, the best float vectors in the last column; under codes their share of those."""
    lengths = sorted({line.score.bits for line in lines if line.score.by in _STORED})
    rows: list[list[str]] = []
    for method in dict.fromkeys(line.method for line in lines):
        mine = [line for line in lines if line.method == method]
        floats = [line for line in mine if line.score.by not in _STORED]
        best = max(floats, key=lambda line: _figure(line, hits=hits), default=None)
        for by in _STORED:
            stored = {line.score.bits: line for line in mine if line.score.by == by}
            if not stored and (by != "code" or best is None):
                continue
            name = method if by == "code" else f"{method}, {by}"
            ceiling = f"{_cell(best, hits=hits)} {best.score.by}" if best and by == "code" else ""
            rows.append([name, *(_cell(stored.get(bits), hits=hits) for bits in lengths), ceiling])
            if best and stored:
                rows.append([f"{name} ÷ float", *(_share(stored.get(bits), hits=hits) for bits in lengths), ""])
    yield from table(["method", *(f"{bits} bits" for bits in lengths), "float"], rows)


def _figure(line: Line, *, hits: bool) -> float:
    return line.score.hit[K] if hits else line.score.map


def _cell(line: Line | None, *, hits: bool) -> str:
    """A figure with its interval."""
    if line is None:
        return ""
    low, high = line.score.hit_interval[K] if hits else line.score.map_interval
    return f"{_figure(line, hits=hits):.3f} ({low:.3f}-{high:.3f})"


def _share(line: Line | None, *, hits: bool) -> str:
    """A figure as a share of that of the float vectors."""
    return f"{line.hit_of_float[K] if hits else line.map_of_float:.3f}" if line else ""


def _slug(name: str) -> str:
    """A name that a folder may have."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "bundle"

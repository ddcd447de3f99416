"""The pictures of a comparison: mAP and one-to-one hits against bits, precision against recall."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milvus_hash.figure import new_figure

if TYPE_CHECKING:
    from milvus_hash.evaluate.compare import Comparison

_K = 10


def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Draw a PNG with a row for each task: mAP by bits, own partner found by bits, precision and recall.

    Bundles are solid lines, baselines dashed ones, and a dotted level is the best float vectors of a bundle.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    tasks = list(dict.fromkeys(line.score.task for line in comparison.lines))
    figure = new_figure(15, 1.5 + 4.5 * len(tasks))
    styles = _styles(comparison)
    grid = figure.subplots(len(tasks), 3, squeeze=False)
    for row, task in zip(grid, tasks, strict=True):
        _draw_bits(comparison, task, styles, row[0], row[1])
        _draw_curves(comparison, task, styles, row[2])
        for axes in row:
            axes.grid(visible=True, color="#dddddd", linewidth=0.5)
            axes.set_ylim(0, 1.02)
    handles, labels = grid[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(f"Codes on {Path(comparison.manifest).name}")
    figure.savefig(path, format="png")


def _styles(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """A colour for each method, and dashes for baselines."""
    from matplotlib import colormaps

    names = dict.fromkeys(line.method for line in comparison.lines)
    return {
        name: {"color": colour, "linestyle": "-" if name in comparison.reports else "--", "linewidth": 1.3}
        for name, colour in zip(names, cycle(colormaps["tab20"](range(20))), strict=False)
    }


def _draw_bits(
    comparison: Comparison,
    task: str,
    styles: Mapping[str, dict[str, Any]],
    by_label: Any,  # noqa: ANN401 (matplotlib axes)
    one_to_one: Any,  # noqa: ANN401
) -> None:
    lengths = set()
    for name, style in styles.items():
        mine = [line.score for line in comparison.lines if line.method == name and line.score.task == task]
        codes = sorted((score for score in mine if score.by == "code"), key=lambda score: score.bits)
        lengths |= {score.bits for score in codes}
        bits = [score.bits for score in codes]
        hits = [score.hit[_K] for score in codes if _K in score.hit]
        by_label.plot(bits, [score.map for score in codes], marker="o", markersize=3, label=name, **style)
        if hits:
            one_to_one.plot(bits, hits, marker="o", markersize=3, **style)
        if name in comparison.reports and (floats := [s for s in mine if s.by in ("logits", "embedding")]):
            level = {**style, "linestyle": ":", "linewidth": 0.9}
            by_label.axhline(max(score.map for score in floats), **level)
            if all(_K in score.hit for score in floats):
                one_to_one.axhline(max(score.hit[_K] for score in floats), **level)
    by_label.set(title=f"{task}: mAP", xlabel="bits", ylabel="mAP")
    one_to_one.set(title=f"{task}: own partner, one to one", xlabel="bits", ylabel=f"found among {_K}")
    for axes in (by_label, one_to_one):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted(lengths), [str(bits) for bits in sorted(lengths)])
        axes.minorticks_off()
        axes.set_visible(bool(axes.lines))  # no pairs within a modality


def _draw_curves(comparison: Comparison, task: str, styles: Mapping[str, dict[str, Any]], axes: Any) -> None:  # noqa: ANN401
    """The longest codes that each method has."""
    measured = {name: report.tasks for name, report in comparison.reports.items()}
    measured |= {entry.name: entry.tasks for entry in comparison.baselines}
    for name, tasks in measured.items():
        mine = [entry for entry in tasks if entry.task == task]
        if mine:
            longest = max(mine, key=lambda entry: entry.bits)
            axes.plot(longest.radius_recall, longest.radius_precision, **styles[name])
    axes.set(title=f"{task}: by Hamming radius, longest codes", xlabel="recall", ylabel="precision", xlim=(0, 1))

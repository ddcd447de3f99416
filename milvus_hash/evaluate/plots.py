"""The picture of a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from milvus_hash.figure import new_figure

if TYPE_CHECKING:
    from milvus_hash.evaluate.report import Report

_COLOURS = ("#66a182", "#0b6e99", "#d1495b", "#edae49", "#6a4c93", "#8d5b4c", "#7a7a7a", "#00798c", "#333333")
_LINES = ("-", "--", ":", "-.")  # one a length, the longest first


def draw(report: Report, path: Path) -> None:
    """Draw precision against recall, precision at k and bit balance as a PNG of 1,500 x 600 pixels.

    Without labels the first two are empty but for R@k, one to one, in the place of precision.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(15, 6)
    curve, at_k, balance = figure.subplots(1, 3)
    _draw_tasks(report, curve, at_k)
    _draw_balance(report, balance)
    if not report.tasks:
        _draw_pairs(report, at_k)
    for axes in (curve, at_k, balance):
        axes.grid(visible=True, color="#dddddd", linewidth=0.5)
    balance.legend(fontsize=8, frameon=False)
    if report.tasks:  # one legend for both, where it covers no line
        figure.legend(
            *curve.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False
        )
    figure.suptitle(f"{report.bundle} on {Path(report.manifest).name}")
    figure.savefig(path, format="png")


def _draw_tasks(report: Report, curve: Any, at_k: Any) -> None:  # noqa: ANN401 (matplotlib axes)
    lengths = sorted({task.bits for task in report.tasks}, reverse=True)
    colours = dict(zip(dict.fromkeys(task.task for task in report.tasks), _COLOURS, strict=False))
    for task in report.tasks:
        style = {
            "color": colours[task.task],
            "linestyle": _LINES[lengths.index(task.bits) % len(_LINES)],
            "label": f"{task.task}, {task.bits} bits, mAP {task.map:.3f}",
        }
        curve.plot(task.radius_recall, task.radius_precision, linewidth=1.2, **style)
        at_k.plot(list(task.precision), list(task.precision.values()), marker="o", markersize=3, **style)
    curve.set(title="Precision and recall by Hamming radius", xlabel="recall", ylabel="precision")
    curve.set(xlim=(0, 1), ylim=(0, 1.02))
    at_k.set(title="Precision at k", xlabel="k", ylabel="precision", ylim=(0, 1.02))
    at_k.set_xscale("log")
    ks = list(report.tasks[0].precision) if report.tasks else []
    at_k.set_xticks(ks, [str(k) for k in ks])
    at_k.minorticks_off()


def _draw_pairs(report: Report, axes: Any) -> None:  # noqa: ANN401
    for pairs in report.pairs:
        label = f"{pairs.task}, {pairs.bits} bits"
        axes.plot(list(pairs.hit), list(pairs.hit.values()), marker="o", markersize=3, linewidth=1.2, label=label)
    ks = list(report.pairs[0].hit) if report.pairs else []
    axes.set(title="R@k, one to one", xlabel="k", ylabel="share of queries")
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.legend(fontsize=8, frameon=False)


def _draw_balance(report: Report, axes: Any) -> None:  # noqa: ANN401 (matplotlib axes)
    longest = max((entry.bits for entry in report.bits), default=0)
    for entry in report.bits:
        if entry.bits == longest:
            axes.plot(sorted(entry.ones), label=f"{entry.modality}, entropy {entry.entropy:.3f}", drawstyle="steps-mid")
    axes.axhline(0.5, color="black", linewidth=0.5)
    axes.set(title=f"Bit balance, {longest} bits", xlabel="bit, by share", ylabel="share of ones", ylim=(0, 1))

"""The picture of a tuning: recall against time."""

from __future__ import annotations

from pathlib import Path

from milvus_hash.figure import new_figure
from milvus_hash.tuning.result import Point, Tuning

_COLOURS = ("#0b6e99", "#edae49", "#66a182")


def draw(tuning: Tuning, path: Path) -> None:
    """Draw the curve of every index that was measured as a PNG of 900 x 600 pixels.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(9, 6)
    from matplotlib.ticker import LogFormatter

    axes = figure.subplots()
    curves: dict[str, list[Point]] = {}
    for point in tuning.points:
        if point.index.search != tuning.exact.index.search or point.index.kind != tuning.exact.index.kind:
            curves.setdefault(_name(point), []).append(point)
    for number, (name, points) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        x, y = [point.milliseconds for point in points], [point.recall for point in points]
        axes.plot(x, y, marker="o", markersize=4, linewidth=1.2, color=colour, label=name)
        for point in points:
            axes.annotate(
                str(next(iter(point.index.search.values()))),
                (point.milliseconds, point.recall),
                xytext=(6, -10),
                textcoords="offset points",
                fontsize=8,
            )
    axes.plot(tuning.exact.milliseconds, tuning.exact.recall, "s", color="#333333", label="exact search")
    axes.plot(
        tuning.chosen.milliseconds, tuning.chosen.recall, "*", markersize=16, color="#d1495b", label="chosen", zorder=3
    )
    axes.axhline(tuning.asked, color="#999999", linewidth=0.8, linestyle="--", label=f"asked: {tuning.asked:g}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.xaxis.set_minor_formatter(LogFormatter())
    axes.set(xlabel="milliseconds a search (median, one query)", ylabel=f"recall@{tuning.limit}")
    axes.set_title(f"{tuning.collection}: {tuning.queries} held-out queries")
    axes.grid(visible=True, which="both", color="#dddddd", linewidth=0.5)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, format="png")


def _name(point: Point) -> str:
    built = "".join(f" {name} {value}" for name, value in point.index.build.items())
    return f"{point.index.kind}{built}, by {''.join(point.index.search)}"

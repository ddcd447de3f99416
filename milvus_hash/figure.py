"""An empty matplotlib figure for the pictures of reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from milvus_hash.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """A figure of ``100 * width`` x ``100 * height`` pixels; ``savefig`` writes it.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require("matplotlib", "eval")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)  # no window system, and no global state as pyplot has
    return figure

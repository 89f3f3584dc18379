"""Rows with a point and its interval each: forests and dot plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bench.report.figures import _plot
from bench.report.labels import axis_label, telling

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.report.results import ReportData

MOST_ROWS = 40
"""As many as a page holds."""
ACROSS = 3
"""Protocols side by side; further ones go on below."""


def dot_grid(
    columns: Sequence[str], labels: Sequence[str], xlabel: str, *, one_scale: bool
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel a column, and a row a label from top to bottom in each; ``one_scale``: for all panels."""
    from matplotlib.figure import Figure

    across = min(len(columns), ACROSS)
    down = -(-len(columns) // across)
    figure = Figure(figsize=(_plot.width(across), 0.5 + down * (0.5 + 0.15 * len(labels))))
    placed = figure.subplots(down, across, squeeze=False, sharex="all" if one_scale else False, sharey="all")
    axes = list(placed.flat)
    for ax in axes[len(columns) :]:
        ax.remove()
    axes = axes[: len(columns)]
    for at, (ax, title) in enumerate(zip(axes, columns, strict=True)):
        ax.set_title(_plot.short(title, 30))
        ax.tick_params(axis="y", length=0, labelleft=at % across == 0)
        ax.tick_params(axis="x", labelbottom=not one_scale or at + across >= len(columns))
        ax.spines["left"].set_visible(False)
    room = 24 if across == 1 else 46
    axes[0].set_yticks(range(len(labels)), [_plot.short(label, room) for label in labels])
    axes[0].set_ylim(len(labels) - 0.4, -0.6)
    figure.supxlabel(xlabel, fontsize=8)
    return figure, axes


def dots(ax: Axes, places: Iterable[int], values: np.ndarray, low: np.ndarray, high: np.ndarray, **look: Any) -> None:
    """Points with intervals (n,); NaN bounds draw none."""
    import numpy as np

    places = np.asarray(list(places), dtype=float)
    ax.hlines(places, low, high, color=look.get("color", "0.2"), linewidth=1.1, zorder=2)
    ax.plot(values, places, linestyle="", markersize=4.2, zorder=3, **look)


def limits(ax: Axes, values: np.ndarray, low: np.ndarray, high: np.ndarray, *, zero: bool) -> bool:
    """Sets the axis so that intervals have room, but no more than twice that of the values, and whether some are cut:
    with two seeds they may be as long as you like."""
    import numpy as np

    points = np.append(values, 0) if zero else values
    span = (points.max() - points.min()) or 1.0
    ends = np.concatenate([points, low[~np.isnan(low)], high[~np.isnan(high)]])
    bounds = max(ends.min(), points.min() - span / 2), min(ends.max(), points.max() + span / 2)
    pad = 0.06 * (bounds[1] - bounds[0] or 1.0)
    ax.set_xlim(bounds[0] - pad, bounds[1] + pad)
    return bool(ends.min() < bounds[0] - pad or ends.max() > bounds[1] + pad)


def row_labels(results: ReportData, cells: Iterable[str]) -> list[str]:
    """What tells the rows apart: values of axes, named where the value alone would not say."""
    first = results.frame.drop_duplicates("cell").set_index("cell")
    axes = telling(first, results.plan["axes"])
    if not axes:
        return [str(first.loc[cell, "margin"]) for cell in cells]
    return [" · ".join(_label(axis, str(first.loc[cell, axis])) for axis in axes) for cell in cells]


def _label(axis: str, value: str) -> str:
    return value if axis in ("backbone", "margin") else f"{axis_label(axis)} {value}"

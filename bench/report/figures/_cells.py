"""Cells of a suite by panel, and how much of a large one a figure shows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.figures import _plot

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from bench.report.results import ReportData


def panels_by_backbone(data: ReportData, most: int) -> tuple[list[tuple[str, pd.DataFrame]], str]:
    """(title, finished runs) for each of `_plot.panels` and each backbone, at most so many, and what is left out."""
    several = len(_plot.backbones(data.done)) > 1
    found = [
        (f"{title}\n{name}" if several else title, runs)
        for title, part in _plot.panels(data)
        for name, runs in part.groupby("backbone", sort=False)
    ]
    return found[:most], first_of(most, len(found), "panels")


def wrapped(
    titles: Sequence[str], *, row_height: float, xlabel: str, ylabel: str, sharey: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure of page width and an axes a title, of one scale, in rows of about as many; ``row_height`` in inches."""
    from matplotlib.figure import Figure

    down = -(-len(titles) // 4)
    across = -(-len(titles) // down)
    titles = ["\n".join(textwrap.fill(line, 30) for line in title.split("\n")) for title in titles]
    heading = 0.14 * max(title.count("\n") for title in titles)
    size = min(_plot.PAGE_WIDTH, 1.2 + 2.4 * across), 0.9 + down * (row_height + heading)
    figure = Figure(figsize=size)
    placed = figure.subplots(down, across, squeeze=False, sharex=True, sharey=sharey)
    axes = list(placed.flat)
    for ax in axes[len(titles) :]:
        ax.remove()
    for at, (ax, title) in enumerate(zip(axes, titles, strict=False)):
        ax.set_title(title)
        if at % across == 0:
            ax.set_ylabel(ylabel)
        if at + across >= len(titles):
            ax.set_xlabel(xlabel)
            ax.tick_params(labelbottom=True)
    return figure, axes[: len(titles)]


def plain_ticks(axis: Axis) -> None:
    """Powers of ten as plain text, which a logarithmic axis would otherwise set as formulas."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def limits(values: pd.Series) -> tuple[float, float]:
    """Ends of an axis that show these values with room at both sides, whatever their intervals are."""
    low, high = float(values.min()), float(values.max())
    pad = 0.22 * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def first_of(most: int, count: int, what: str) -> str:
    """In words, that not all are shown; "" where they are."""
    return f"the first {most} of {count} {what}" if count > most else ""


def measured(data: ReportData, *metrics: str) -> list[str]:
    """The protocols on which some finished run has each of these metrics."""
    done = data.done
    return [
        protocol
        for protocol in data.plan["protocols"]
        if all(f"{protocol}.{name}" in done and done[f"{protocol}.{name}"].notna().any() for name in metrics)
    ]


def thinned(values: Sequence[float], most: int) -> list[float]:
    """At most so many of the strengths: first and last, and others evenly between."""
    if len(values) <= most:
        return list(values)
    last = len(values) - 1
    return [values[round(i * last / (most - 1))] for i in range(most)]


def joined(*notes: str) -> str:
    """The notes that say something, as one line."""
    return "; ".join(note for note in notes if note)

"""The value over pairs of the parameters that matter most."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures._plot import Drawing
from bench.report.figures._search import (
    SOURCE,
    Objective,
    Scale,
    compared,
    complete,
    drawing,
    importances,
    shades,
    title,
    value_of,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

    from bench.report.results import ReportData

MOST = 3
"""Parameters whose pairs are drawn."""
FEWEST = 5
"""Trials below which nothing is drawn between them."""


@FIGURES.register(
    "search_contour",
    summary="Search: value over pairs of the most important parameters, interpolated between the complete trials",
    source=SOURCE,
)
def draw(results: ReportData) -> Drawing | None:
    from matplotlib.figure import Figure

    record = results.search
    if record is None or (found := compared(record)) is None:
        return None
    parameters, objective, shown = found
    chosen = _chosen(record, shown, objective, parameters)
    pairs = list(combinations(chosen, 2))
    colours = shades(record, objective)
    figure = Figure(figsize=(min(7.0, 2.4 + 2.2 * len(pairs)), 0.4 + 2.1 * len(shown)))
    axes = figure.subplots(len(shown), len(pairs), squeeze=False)
    for row, study in zip(axes, shown, strict=True):
        for ax, (x, y) in zip(row, pairs, strict=True):
            _panel(ax, study, objective, parameters[x], parameters[y], colours)
        row[0].set_title(title(record, study), loc="left")
    figure.colorbar(colours, ax=list(axes.flat), label=objective.label, pad=0.01)
    return drawing(figure, record)


def _chosen(
    record: Mapping[str, Any], shown: list[Mapping[str, Any]], objective: Objective, parameters: Mapping[str, Scale]
) -> list[str]:
    """The three that matter most on average over the studies, by fANOVA; without it, in the space's order."""
    total = dict.fromkeys(parameters, 0.0)
    for study in shown:
        for name, share in importances(record, study, objective).get("fANOVA", {}).items():
            total[name] += share
    order = list(parameters)
    most = sorted(parameters, key=lambda name: (-total[name], order.index(name)))[:MOST]
    return sorted(most, key=order.index)


def _panel(
    ax: Axes, study: Mapping[str, Any], objective: Objective, x: Scale, y: Scale, colours: ScalarMappable
) -> None:
    import numpy as np

    points = [
        (x.place(t["params"][x.name]), y.place(t["params"][y.name]), value_of(t, objective) or 0.0, t["number"])
        for t in complete(study, objective)
        if x.name in t["params"] and y.name in t["params"]
    ]
    if x.choices is None and y.choices is None:
        _between(ax, np.array([p[:3] for p in points], dtype=float), x, y, colours)
    for at, height, value, number in points:
        spread = 0.25 * (2 * (number * 0.618034 % 1) - 1)
        best = number in study["best"]
        ax.plot(
            at + (spread if x.choices is not None else 0), height + (spread if y.choices is not None else 0),
            "*" if best else "o", markersize=11 if best else 4.5, color=colours.to_rgba(np.array([value]))[0],
            markeredgecolor="black", markeredgewidth=0.7, zorder=4 if best else 3,
        )  # fmt: skip
    if not points:
        ax.text(0.5, 0.5, "no trial has both", transform=ax.transAxes, ha="center", fontsize=7)
    x.on_x(ax)
    y.on_y(ax)


def _between(ax: Axes, points: Any, x: Scale, y: Scale, colours: ScalarMappable) -> None:
    """Linear between the trials, on axes of equal length; nothing where they are few or on one line."""
    import numpy as np
    from matplotlib.tri import Triangulation

    if len(points) < FEWEST:
        return
    (left, right), (low, high) = x.ends, y.ends
    unit = np.stack([(points[:, 0] - left) / (right - left), (points[:, 1] - low) / (high - low)], axis=1)
    _, first = np.unique(unit.round(9), axis=0, return_index=True)
    unit, points = unit[np.sort(first)], points[np.sort(first)]
    if len(points) < FEWEST or np.linalg.svd(unit - unit.mean(axis=0), compute_uv=False)[1] < 1e-3:
        return
    triangles = Triangulation(unit[:, 0], unit[:, 1]).triangles
    levels = np.linspace(*colours.get_clim(), 13)
    shape = Triangulation(points[:, 0], points[:, 1], triangles)
    ax.tricontourf(shape, points[:, 2], levels=levels, cmap=colours.cmap, norm=colours.norm, alpha=0.75, zorder=1)

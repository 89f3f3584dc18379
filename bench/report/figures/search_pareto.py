"""Where several objectives cannot be had together: the front of a search."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures._plot import Drawing
from bench.report.figures._search import (
    SOURCE,
    baseline_value,
    complete,
    drawing,
    look,
    objectives,
    studies,
    value_of,
)  # fmt: skip
from bench.report.labels import baseline_label

if TYPE_CHECKING:
    from bench.report.results import ReportData


@FIGURES.register(
    "search_pareto",
    summary="Search: pairs of objectives; no trial betters one on the front in all objectives at once",
    source=SOURCE,
)
def draw(results: ReportData) -> Drawing | None:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    record = results.search
    if record is None or len(record["objectives"]) < 2:
        return None
    shown, wanted = studies(record), objectives(record)
    if not any(complete(study, wanted[0]) for study in shown):
        return None
    pairs = list(combinations(wanted, 2))
    across = min(3, len(pairs))
    down = -(-len(pairs) // across)
    figure = Figure(figsize=(min(7.0, 2.2 + 2.4 * across), 0.6 + 2.3 * down))
    axes = figure.subplots(down, across, squeeze=False)
    for ax, (x, y) in zip(axes.flat, pairs, strict=False):
        for i, study in enumerate(shown):
            style = look(i)
            points = [
                (a, b, trial["number"] in study["best"])
                for trial in complete(study, x)
                if (a := value_of(trial, x)) is not None and (b := value_of(trial, y)) is not None
            ]
            others = [(a, b) for a, b, front in points if not front]
            front = sorted((a, b) for a, b, front in points if front)
            ax.plot([a for a, _ in others], [b for _, b in others], style["marker"], color=style["color"],
                    markersize=3.5, markerfacecolor="none", alpha=0.7)  # fmt: skip
            line = style["linestyle"] if len(wanted) == 2 else ""
            corner: Any = "steps-post" if x.maximise != y.maximise else "steps-pre"
            ax.plot([a for a, _ in front], [b for _, b in front], marker=style["marker"], color=style["color"],
                    linestyle=line, markersize=5.5, drawstyle=corner)  # fmt: skip
            base = baseline_value(study, x), baseline_value(study, y)
            if base[0] is not None and base[1] is not None:
                ax.plot(*base, "X", color=style["color"], markeredgecolor="black", markersize=8, zorder=5)
        ax.set_xlabel(f"{x.label} {'→' if x.maximise else '←'} better")
        ax.set_ylabel(f"{y.label} {'→' if y.maximise else '←'} better")
    for ax in axes.flat[len(pairs) :]:
        ax.remove()
    dark: dict[str, Any] = {"color": "0.2", "linestyle": ""}
    named = [(i, str(study["label"])) for i, study in enumerate(shown) if study["label"]]
    handles = [Line2D([], [], **look(i), markersize=5, label=label) for i, label in named]
    handles += [
        Line2D([], [], marker="o", markersize=5.5, label="on the front", **dark),
        Line2D([], [], marker="o", markersize=3.5, markerfacecolor="none", label="bettered by another", **dark),
        Line2D([], [], marker="X", markersize=7, label=baseline_label(record), **dark),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncol=3, frameon=False)
    return drawing(figure, record)

"""The value of every trial against each parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures._plot import Drawing
from bench.report.figures._search import (
    SOURCE,
    baseline_value,
    draw_baseline,
    drawing,
    look,
    objectives,
    scales,
    studies,
    value_of,
)  # fmt: skip
from bench.report.labels import baseline_label

if TYPE_CHECKING:
    from bench.report.results import ReportData

SPREAD = 0.28
"""Half the width over which the trials of one choice are spread, so that they do not cover each other."""


@FIGURES.register(
    "search_slice", summary="Search: value against each parameter; the baseline's interval is shaded", source=SOURCE
)
def draw(results: ReportData) -> Drawing | None:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    record = results.search
    if record is None or not (parameters := scales(record)):
        return None
    shown, objective = studies(record), objectives(record)[0]
    across = min(3, len(parameters))
    rows = -(-len(parameters) // across)
    figure = Figure(figsize=(min(7.0, 2.2 + 2.4 * across), 0.6 + 2.1 * rows))
    axes = figure.subplots(rows, across, squeeze=False, sharey=True)
    for ax, (name, scale) in zip(axes.flat, parameters.items(), strict=False):
        for i, study in enumerate(shown):
            style = look(i)
            draw_baseline(ax, study, objective, "0.35" if len(shown) == 1 else style["color"])
            for trial in study["trials"]:
                value = value_of(trial, objective)
                if value is None or name not in trial["params"]:
                    continue
                at = scale.place(trial["params"][name])
                if scale.choices is not None:
                    at += SPREAD * (2 * (trial["number"] * 0.618034 % 1) - 1)
                pruned = trial["state"] == "pruned"
                ax.plot(
                    at, value, "v" if pruned else style["marker"], markersize=3.5 if pruned else 4,
                    color="0.55" if pruned else style["color"], markerfacecolor="none" if pruned else style["color"],
                    alpha=0.85,
                )  # fmt: skip
            best = [t for t in study["trials"] if t["number"] in study["best"] and name in t["params"]]
            for trial in best[:1] if len(record["objectives"]) == 1 else best:
                if (value := value_of(trial, objective)) is not None:
                    ax.plot(scale.place(trial["params"][name]), value, "*", markersize=11, color=style["color"],
                            markeredgecolor="black", markeredgewidth=0.6, zorder=5)  # fmt: skip
        scale.on_x(ax)
    for ax in axes[:, 0]:
        ax.set_ylabel(objective.label)
    for ax in axes.flat[len(parameters) :]:
        ax.remove()
    handles = [
        Line2D([], [], **(look(i) | {"linestyle": ""}), markersize=4, label=study["label"] or "complete")
        for i, study in enumerate(shown)
    ]
    if any(trial["state"] == "pruned" for study in shown for trial in study["trials"]):
        look_of: dict[str, Any] = {"marker": "v", "markersize": 4, "markerfacecolor": "none", "color": "0.55"}
        handles.append(Line2D([], [], linestyle="", label="pruned", **look_of))
    star: dict[str, Any] = {"marker": "*", "markersize": 9, "color": "white", "markeredgecolor": "black"}
    handles.append(Line2D([], [], linestyle="", label="best", **star))
    if any(baseline_value(study, objective) is not None for study in shown):
        against = f"{baseline_label(record)} with 95 % interval"
        handles.append(Line2D([], [], linestyle="--", linewidth=1, color="0.35", label=against))
    figure.legend(handles=handles, loc="outside lower center", ncol=min(5, len(handles)), frameon=False)
    return drawing(figure, record)

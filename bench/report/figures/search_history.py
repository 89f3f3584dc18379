"""What each trial of a search reached, and the best so far."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures import _plot
from bench.report.figures._plot import Drawing
from bench.report.figures._search import (
    SOURCE,
    baseline_value,
    complete,
    draw_baseline,
    drawing,
    look,
    objectives,
    studies,
    title,
    value_of,
)  # fmt: skip
from bench.report.labels import baseline_label

if TYPE_CHECKING:
    from bench.report.results import ReportData


@FIGURES.register(
    "search_history",
    summary="Search: value of every trial, the best so far, and the baseline's interval",
    source=SOURCE,
)
def draw(results: ReportData) -> Drawing | None:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    record = results.search
    if record is None or not any(study["trials"] for study in record["studies"]):
        return None
    shown, wanted = studies(record), objectives(record)
    across = min(3, len(shown))
    blocks = -(-len(shown) // across)
    figure = Figure(figsize=(min(7.0, 2.2 + 2.4 * across), 0.6 + 2.0 * blocks * len(wanted)))
    axes = figure.subplots(blocks * len(wanted), across, squeeze=False)
    for i, study in enumerate(shown):
        style = look(i)
        for objective in wanted:
            ax = axes[i // across * len(wanted) + objective.at, i % across]
            draw_baseline(ax, study, objective)
            points = {
                state: [(t["number"], value) for t in study["trials"]
                        if t["state"] == state and (value := value_of(t, objective)) is not None]
                for state in ("complete", "pruned")
            }  # fmt: skip
            ax.plot(*_columns(points["pruned"]), "v", color="0.55", markersize=3.5, markerfacecolor="none")
            ax.plot(*_columns(points["complete"]), style["marker"], color=style["color"], markersize=4)
            done = complete(study, objective)
            values = [value for _, value in points["complete"]]
            best = list(accumulate(values, max if objective.maximise else min))
            ax.step([t["number"] for t in done], best, where="post", color=style["color"], linewidth=1.4)
            failed = [t["number"] for t in study["trials"] if t["state"] == "failed"]
            ax.plot(failed, [0.02] * len(failed), "x", color="0.2", markersize=4, transform=ax.get_xaxis_transform())
            known = [*values, *(v for _, v in points["pruned"]), baseline_value(study, objective)]
            if not any(value is not None for value in known):
                ax.text(0.5, 0.5, "no trial has a value", transform=ax.transAxes, ha="center", fontsize=7)
            ax.set_xlim(-0.7, max(t["number"] for t in study["trials"]) + 0.7 if study["trials"] else 0.7)
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
            ax.set_title(title(record, study) if objective.at == 0 else "")
            ax.set_ylabel(objective.label if i % across == 0 else "")
            ax.set_xlabel("trial" if objective.at == len(wanted) - 1 else "")
    for objective in wanted:  # one scale for what is to be compared
        rows = [axes[i // across * len(wanted) + objective.at, i % across] for i in range(len(shown))]
        low, high = min(ax.get_ylim()[0] for ax in rows), max(ax.get_ylim()[1] for ax in rows)
        for ax in rows:
            ax.set_ylim(low, high)
    for ax in axes[(blocks - 1) * len(wanted) :, (len(shown) - 1) % across + 1 :].flat:
        ax.remove()
    dark: dict[str, Any] = {"color": "0.2"}
    states = {trial["state"] for study in shown for trial in study["trials"]}
    look_of = {
        "complete": {"marker": "o", "label": "complete", **dark},
        "pruned": {"marker": "v", "markerfacecolor": "none", "color": "0.55", "label": "pruned (value when pruned)"},
        "failed": {"marker": "x", "label": "failed", **dark},
    }
    handles = [Line2D([], [], linestyle="", markersize=4, **look) for state, look in look_of.items() if state in states]
    against = f"{baseline_label(record)}, its 95 % interval shaded"
    handles += [
        Line2D([], [], linewidth=1.4, label="best so far", **dark),
        Line2D([], [], linestyle="--", linewidth=1, label=against, **dark),
    ]
    _plot.legend(figure, handles)
    return drawing(figure, record)


def _columns(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]

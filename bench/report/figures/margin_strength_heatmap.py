"""Margin against strength: mean accuracy as a heat map, one a backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.report.results import ReportData


@FIGURES.register(
    "margin_strength_heatmap",
    summary="Accuracy (%), averaged over the protocols and seeds, by margin and enhancement strength λ",
    source="this project",
)
def draw(results: ReportData) -> Figure | None:
    import pandas as pd
    import seaborn

    wanted = [f"{protocol}.accuracy" for protocol in results.plan["protocols"]]
    columns = [name for name in wanted if name in results.done and results.done[name].notna().any()]
    values = _plot.strengths(results.done)
    if not columns or len(values) < 2:
        return None
    frame = pd.concat(
        [
            part.assign(panel=title, shown=100 * part[columns].mean(axis=1, skipna=False))
            for title, part in _plot.panels(results)
        ]
    )
    names = _plot.backbones(frame)
    titles = list(dict.fromkeys(frame["panel"]))
    across = min(len(names), 2)
    down = -(-len(names) // across)
    figure, axes = _plot.grid(down, across, row_height=0.5 + 0.32 * len(titles))
    for at, ax in enumerate(axes.flat):
        if at >= len(names):
            ax.set_visible(False)
            continue
        part = frame[frame["backbone"] == names[at]]
        table = part.pivot_table(index="panel", columns="strength", values="shown", aggfunc="mean")
        seaborn.heatmap(
            table.reindex(index=titles, columns=values), ax=ax, annot=True, fmt=".1f", cmap="cividis",
            vmin=frame["shown"].min(), vmax=frame["shown"].max(), cbar=False, linewidths=0.6, annot_kws={"size": 7},
            xticklabels=[f"{value:g}" for value in values],
        )  # fmt: skip
        ax.grid(visible=False)
        ax.set(title=names[at], xlabel="strength λ" if at >= len(names) - across else "", ylabel="")
        ax.tick_params(length=0, rotation=0)
    return figure

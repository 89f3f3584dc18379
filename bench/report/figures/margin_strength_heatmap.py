"""Margin against strength: mean accuracy as a heat map, one a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot
from bench.report.figures._lines import means

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

MOST_ROWS = 30
MOST_WRITTEN = 10
"""Strengths up to which every field has its number written into it."""


@FIGURES.register(
    "margin_strength_heatmap",
    summary="Accuracy (%), averaged over the protocols and seeds, by margin and enhancement strength λ",
    source="this project",
    reads=("*.accuracy",),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """Data: backbone, panel, strength, accuracy (%), and the 95 % interval of that mean over seeds."""
    import pandas as pd
    from matplotlib.cm import ScalarMappable

    wanted = [f"{protocol}.accuracy" for protocol in results.plan["protocols"]]
    columns = [name for name in wanted if name in results.done and results.done[name].notna().any()]
    values = _plot.strengths(results.done)
    if not columns or len(values) < 2:
        return None
    panels = _plot.panels(results)
    parts = [
        part.assign(panel=title, value=100 * part[columns].mean(axis=1, skipna=False)) for title, part in panels
    ]  # fmt: skip
    frame = pd.concat(parts).dropna(subset="value")
    if frame.empty:
        return None
    names, titles = _plot.backbones(frame), [title for title, _ in panels][:MOST_ROWS]
    shown = means(frame[frame["panel"].isin(titles)], ["backbone", "panel", "strength"], "value")
    across = min(len(names), 2)
    figure, axes = _plot.grid(-(-len(names) // across), across, row_height=0.5 + 0.26 * len(titles))
    figure.set_figwidth(_plot.COLUMN_WIDTH if across == 1 and len(values) <= 5 else _plot.PAGE_WIDTH)
    scale = ScalarMappable(cmap="cividis")
    scale.set_clim(shown["mean"].min(), shown["mean"].max())
    for at, ax in enumerate(axes.flat):
        if at >= len(names):
            ax.remove()
            continue
        part = shown[shown["backbone"] == names[at]]
        table = part.pivot_table(index="panel", columns="strength", values="mean")
        _heat(ax, table.reindex(index=titles, columns=values).to_numpy(), scale)
        _name(ax, values, titles)
        ax.set_title(_plot.short(names[at], 40))
        ax.set_xlabel("strength λ" if at >= len(names) - across else "")
    figure.colorbar(scale, ax=axes[axes != None].tolist(), label="accuracy (%)", fraction=0.03, pad=0.01)  # noqa: E711
    if left := _plot.left_out(len(titles), len(panels), "margins or forms"):
        figure.supxlabel(left[0], fontsize=7)
    return _plot.Drawing(figure, shown.rename(columns={"mean": "accuracy"}))


def _heat(ax: Axes, table: np.ndarray, scale: object) -> None:
    """``table`` (rows, strengths) in %; NaN fields are left white."""
    import numpy as np

    colours = scale.to_rgba(table)  # type: ignore[attr-defined]
    colours[np.isnan(table)] = 1
    ax.imshow(colours, aspect="auto", interpolation="nearest")
    ax.grid(visible=False)
    for edge in ("left", "bottom"):
        ax.spines[edge].set_visible(False)
    if table.shape[1] > MOST_WRITTEN:
        return
    light = colours[..., :3] @ (0.299, 0.587, 0.114)
    for (row, at), value in np.ndenumerate(table):
        if not np.isnan(value):
            colour = "black" if light[row, at] > 0.5 else "white"
            ax.text(at, row, f"{value:.1f}", ha="center", va="center", fontsize=7, color=colour)


def _name(ax: Axes, values: Sequence[float], titles: Sequence[str]) -> None:
    from matplotlib.ticker import FixedLocator

    places = _plot.some(range(len(values)), MOST_WRITTEN)
    ax.xaxis.set_major_locator(FixedLocator(places))
    ax.set_xticklabels([f"{values[place]:.3g}" for place in places])
    ax.set_yticks(range(len(titles)), [_plot.short(title.replace("\n", ", "), 36) for title in titles])
    ax.tick_params(length=0)

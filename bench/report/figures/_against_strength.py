"""Metrics against the enhancement strength: rows of metrics, columns of margins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.catalog.metrics import metric
from bench.report.figures import _plot
from bench.report.figures._lines import bounded, means
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.report.results import ReportData


def against_strength(data: ReportData, columns: Sequence[str]) -> _plot.Drawing | None:
    """One row of panels for each ``<protocol>.<metric>`` that was measured; None below two strengths.

    Data: shown (seed or mean), protocol, metric, panel, backbone, strength, seed, value in the unit shown, and of a
    mean low, high and seeds.
    """
    import pandas as pd
    from matplotlib.lines import Line2D

    frame = data.done
    columns = [name for name in columns if name in frame and frame[name].notna().any()]
    values, names = _plot.strengths(frame), _plot.backbones(frame)
    if not columns or len(values) < 2:
        return None
    panels, notes = bounded(_plot.panels(data), len(columns))
    looks: dict[str, dict[str, Any]] = {
        name: {"color": colour, "marker": _plot.MARKERS[i % len(_plot.MARKERS)], "linestyle": _plot.LINESTYLES[i % 4]}
        for i, (name, colour) in enumerate(_plot.backbone_colours(names).items())
    }
    styles = {name: metric(name.split(".", 1)[1]) for name in columns}
    quantities = [f"{protocol_label(name.split('.', 1)[0])}\n{style.heading}" for name, style in styles.items()]
    figure, axes = _plot.panel_grid(
        quantities, [title for title, _ in panels], row_height=1.45, xlabel="strength λ"
    )  # fmt: skip
    shown = []
    for row, (name, style) in enumerate(styles.items()):
        protocol, _, measured = name.partition(".")
        parts = []
        for ax, (title, part) in zip(axes[row], panels, strict=True):
            seeds = part[["backbone", "strength", "seed"]].assign(value=part[name] * style.scale).dropna()
            mean = means(seeds, ["backbone", "strength"], "value").rename(columns={"mean": "value"})
            _panel(ax, seeds, mean, looks, points=len(values) <= _plot.MOST_POINTS)
            _plot.strength_axis(ax, values)
            told = {"protocol": protocol, "metric": measured, "panel": title.replace("\n", ", ")}
            parts += [seeds.assign(shown="seed", **told), mean.assign(shown="mean", **told)]
        shown.append(pd.concat(parts))
        _limits(axes[row, 0], shown[-1])
    handles = [Line2D([], [], label=name, markersize=3.5, markerfacecolor="none", **looks[name]) for name in names]
    _plot.legend(figure, handles, "; ".join(notes))
    order = ["shown", "protocol", "metric", "panel", "backbone", "strength", "seed", "value", "low", "high", "seeds"]
    return _plot.Drawing(figure, pd.concat(shown)[order].astype({"seed": "Int64", "seeds": "Int64"}))


def _panel(
    ax: Axes, seeds: pd.DataFrame, mean: pd.DataFrame, looks: dict[str, dict[str, Any]], *, points: bool
) -> None:
    """Seeds as points where there are few, the mean a line, its interval a band from 3 seeds; one line a backbone."""
    for name, look in looks.items():
        line, own = mean[mean["backbone"] == name], seeds[seeds["backbone"] == name]
        if line.empty:
            continue
        if points:
            unjoined = {**look, "linestyle": ""}
            ax.plot(
                own["strength"], own["value"], markersize=3, markerfacecolor="none", markeredgewidth=0.7, **unjoined
            )
        ax.plot(line["strength"], line["value"], color=look["color"], linestyle=look["linestyle"], label=name)
        enough = line["seeds"] >= _plot.SEEDS_OF_INTERVALS
        bounds = line["low"].where(enough), line["high"].where(enough)
        ax.fill_between(line["strength"], *bounds, color=look["color"], alpha=0.15, linewidth=0)


def _limits(ax: Axes, shown: pd.DataFrame) -> None:
    """Room for intervals, but no more than twice that of the values: with two seeds they may be as long as you like."""
    low, high = shown["value"].min(), shown["value"].max()
    span = high - low
    if span > 0:
        bottom = max(shown["low"].min(), low - span / 2) if shown["low"].notna().any() else low
        top = min(shown["high"].max(), high + span / 2) if shown["high"].notna().any() else high
        pad = 0.05 * (max(top, high) - min(bottom, low))
        ax.set_ylim(min(bottom, low) - pad, max(top, high) + pad)

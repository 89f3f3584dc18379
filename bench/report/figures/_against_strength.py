"""Metrics against the enhancement strength: rows of metrics, columns of margins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.catalog.metrics import metric
from bench.report.figures import _plot
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.report.results import ReportData


def against_strength(data: ReportData, columns: Sequence[str]) -> Figure | None:
    """One row of panels for each ``<protocol>.<metric>`` that was measured; None below two strengths."""
    frame = data.done
    columns = [name for name in columns if name in frame and frame[name].notna().any()]
    values = _plot.strengths(frame)
    if not columns or len(values) < 2:
        return None
    panels = _plot.panels(data)
    figure, axes = _plot.grid(len(columns), len(panels), row_height=1.45)
    for row, name in enumerate(columns):
        protocol, short = name.split(".", 1)
        shown = metric(short)
        for at, (title, part) in enumerate(panels):
            ax = axes[row, at]
            _plot.points_and_mean(ax, part, _plot.backbones(frame), name, shown.scale)
            _plot.strength_axis(ax, values)
            if row == 0:
                ax.set_title(title)
            if row == len(columns) - 1:
                ax.set_xlabel("strength λ")
        axes[row, 0].set_ylabel(f"{protocol_label(protocol)}\n{shown.heading}")
    handles = {handle.get_label(): handle for ax in axes.flat for handle in ax.get_legend_handles_labels()[0]}
    _plot.legend(figure, list(handles.values()))
    return figure

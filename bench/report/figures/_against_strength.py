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
    shown = {name: metric(name.split(".", 1)[1]) for name in columns}
    quantities = [f"{protocol_label(name.split('.', 1)[0])}\n{style.heading}" for name, style in shown.items()]
    figure, axes = _plot.panel_grid(
        quantities, [title for title, _ in panels], row_height=1.45, xlabel="strength λ"
    )  # fmt: skip
    for row, (name, style) in enumerate(shown.items()):
        for ax, (_, part) in zip(axes[row], panels, strict=True):
            _plot.points_and_mean(ax, part, _plot.backbones(frame), name, style.scale)
            _plot.strength_axis(ax, values)
    handles = {handle.get_label(): handle for ax in axes.flat for handle in ax.get_legend_handles_labels()[0]}
    _plot.legend(figure, list(handles.values()))
    return figure

"""Training: base loss, target angle and validation accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures import _plot
from bench.report.figures._lines import Line, lines, means

if TYPE_CHECKING:
    import pandas as pd

    from bench.report.results import ReportData

MOST_EPOCHS = 100
_QUANTITIES: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "base loss": lambda epoch: epoch.get("base"),
    "target angle (°)": lambda epoch: epoch.get("target_angle_deg"),
    "validation\naccuracy (%)": lambda epoch: _percent((epoch.get("validation") or {}).get("accuracy")),
}


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


@FIGURES.register(
    "training_curves",
    summary="Base loss (without the term, so that strengths compare), target angle and validation accuracy, mean over "
    "seeds with its 95 % interval",
    source="this project",
    reads=("events",),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """Data: quantity, panel, line, backbone, strength, epoch, mean, low, high, seeds."""
    import pandas as pd

    drawn = lines(results, len(_QUANTITIES))
    every = [line for part in drawn.panels.values() for line in part]
    told = [_told(results, line) for line in every]
    shown = [name for name in _QUANTITIES if any((table["quantity"] == name).any() for table in told)]
    if not shown:
        return None
    figure, axes = _plot.panel_grid(shown, list(drawn.panels), row_height=1.4, xlabel="epoch")
    tables = []
    for line, table in zip(every, told, strict=True):
        mean = means(table, ["quantity", "epoch"], "value")
        for row, quantity in enumerate(shown):
            ax, part = axes[row, list(drawn.panels).index(line.panel)], mean[mean["quantity"] == quantity]
            ax.plot(part["epoch"], part["mean"], linewidth=1.0, **line.look)
            if drawn.has_band(line):
                colour = line.look["color"]
                ax.fill_between(part["epoch"], part["low"], part["high"], color=colour, alpha=0.15, linewidth=0)
        tables.append(mean.assign(**line.told))
    for ax in axes.flat:
        ax.xaxis.get_major_locator().set_params(integer=True)
    _plot.legend(figure, drawn.handles, "; ".join([*drawn.bands, *drawn.notes]))
    data = pd.concat(tables).assign(quantity=lambda table: table["quantity"].str.replace("\n", " "))
    return _plot.Drawing(figure, data[["quantity", *every[0].told, "epoch", "mean", "low", "high", "seeds"]])


def _told(results: ReportData, line: Line) -> pd.DataFrame:
    """What every run of a line told at the end of its epochs: quantity, epoch, value."""
    import math

    import pandas as pd

    rows = []
    for run in line.runs["run"]:
        for epoch in _plot.some(results.store.epochs(run), MOST_EPOCHS):
            for name, read in _QUANTITIES.items():
                value = read(epoch)
                if value is not None and math.isfinite(value):
                    rows.append((name, epoch["epoch"], value))
    return pd.DataFrame(rows, columns=["quantity", "epoch", "value"])

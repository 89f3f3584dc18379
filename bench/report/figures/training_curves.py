"""Training: base loss, target angle and validation accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures import _plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.report.results import ReportData

_QUANTITIES: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "base loss": lambda epoch: epoch.get("base"),
    "target angle (°)": lambda epoch: epoch.get("target_angle_deg"),
    "validation\naccuracy (%)": lambda epoch: _percent((epoch.get("validation") or {}).get("accuracy")),
}


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


@FIGURES.register(
    "training_curves",
    summary="Base loss (without the term, so that strengths compare), target angle, validation accuracy; a line a run",
    source="this project",
)
def draw(results: ReportData) -> Figure | None:
    epochs = {run: results.store.epochs(run) for run in results.done["run"]}
    shown = {
        label: read
        for label, read in _QUANTITIES.items()
        if any(read(epoch) is not None for run in epochs.values() for epoch in run)
    }
    if not shown:
        return None
    panels, values, names = _plot.panels(results), _plot.strengths(results.done), _plot.backbones(results.done)
    colours = _plot.strength_colours(values)
    figure, axes = _plot.panel_grid(list(shown), [title for title, _ in panels], row_height=1.4, xlabel="epoch")
    for row, read in enumerate(shown.values()):
        for ax, (_, part) in zip(axes[row], panels, strict=True):
            for run, name, strength in zip(part["run"], part["backbone"], part["strength"], strict=True):
                told = [(epoch["epoch"], value) for epoch in epochs[run] if (value := read(epoch)) is not None]
                line = _plot.LINESTYLES[names.index(name) % len(_plot.LINESTYLES)]
                ax.plot(
                    [epoch for epoch, _ in told],
                    [value for _, value in told],
                    color=colours[strength],
                    linestyle=line,
                    linewidth=0.9,
                )
            ax.xaxis.get_major_locator().set_params(integer=True)
    _plot.strength_and_backbone_legend(figure, values, names)
    return figure

"""Angles within and between identities at every strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.report.results import ReportData


@FIGURES.register(
    "angle_histograms",
    summary="Angles within (intra) and between (inter) identities at every λ, summed over seeds",
    source="this project",
)
def draw(results: ReportData) -> Figure | None:
    for protocol in (*results.plan["protocols"], "train"):
        found = {
            (title, name, strength): histogram
            for title, part in _plot.panels(results)
            for name, strength, runs in _plot.by_backbone_and_strength(part)
            if (histogram := _summed(results, runs, protocol)) is not None
        }
        if found:
            return _small_multiples(found, protocol, _plot.strengths(results.done))
    return None


def _small_multiples(
    found: dict[tuple[str, str, float], tuple[np.ndarray, np.ndarray, np.ndarray]], protocol: str, values: list[float]
) -> Figure:
    rows = list(dict.fromkeys((title, name) for title, name, _ in found))
    figure, axes = _plot.grid(len(rows), len(values), row_height=0.95, share="all")
    for row, (title, name) in enumerate(rows):
        for at, strength in enumerate(values):
            ax = axes[row, at]
            if (title, name, strength) in found:
                _densities(ax, *found[title, name, strength])
            ax.set_yticks([])
            if row == 0:
                ax.set_title(f"λ = {strength:g}")
            if row == len(rows) - 1:
                ax.set_xlabel("angle (°)")
        axes[row, 0].set_ylabel(f"{title}\n{name}", fontsize=7, rotation=0, ha="right", va="center")
    handles = axes[0, 0].get_legend_handles_labels()[0]
    _plot.legend(figure, handles, title=f"{protocol_label(protocol)}, density over all seeds")
    return figure


def _densities(ax: Axes, edges: np.ndarray, intra: np.ndarray, inter: np.ndarray) -> None:
    """Shares per degree. Intra is filled and inter an outline, so that they stay apart in grey."""
    width = edges[1:] - edges[:-1]
    ax.stairs(
        intra / (intra.sum() * width), edges, fill=True, color="#0173b2", alpha=0.75, label="intra (same identity)"
    )
    ax.stairs(
        inter / (inter.sum() * width), edges, color="#222222", linewidth=1.0, label="inter (different identities)"
    )
    ax.set_xticks([0, 45, 90, 135])
    occupied = edges[1:][(intra + inter) > 0]
    ax.set_xlim(0, max(120.0, float(occupied.max()) if len(occupied) else 0.0))


def _summed(data: ReportData, runs: pd.DataFrame, protocol: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(edges in degrees, intra counts, inter counts) summed over seeds; None if nothing was counted."""
    import numpy as np

    records = [data.store.evaluation(run, evaluation) for run, evaluation in data.evaluations(runs, protocol)]
    angles = [record["angles"] for record in records if record and record.get("angles")]
    if not angles:
        return None
    intra = np.sum([a["intra"] for a in angles], axis=0)
    inter = np.sum([a["inter"] for a in angles], axis=0)
    return (np.asarray(angles[0]["edges_deg"], dtype=float), intra, inter) if intra.sum() and inter.sum() else None

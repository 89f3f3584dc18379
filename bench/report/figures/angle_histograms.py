"""Angles within and between identities at every strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

MOST_ROWS = 10


@dataclass(frozen=True)
class _Histogram:
    """Densities (bins,) per degree between ``edges`` (bins + 1,), degrees."""

    edges: np.ndarray
    intra: np.ndarray
    inter: np.ndarray


@FIGURES.register(
    "angle_histograms",
    summary="Angles within (intra) and between (inter) identities by strength λ, summed over seeds",
    source="this project",
    reads=("evaluations",),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """Of the first protocol that counted angles. Data: protocol, panel, backbone, strength, pairs, from_deg, to_deg,
    density (per degree)."""
    every = _plot.strengths(results.done)
    values = _plot.some(every, _plot.MOST_STRENGTHS)
    groups = [
        (title, name, runs[runs["strength"].isin(values)])
        for title, part in _plot.panels(results)
        for name, runs in part.groupby("backbone", sort=False)
    ]
    notes = _plot.left_out(len(values), len(every), "strengths")
    notes += _plot.left_out(min(len(groups), MOST_ROWS), len(groups), "rows")
    for protocol in (*results.plan["protocols"], "train"):
        found = {
            (title, str(name), strength): histogram
            for title, name, runs in groups[:MOST_ROWS]
            for _, strength, part in _plot.by_backbone_and_strength(runs)
            if (histogram := _summed(results, part, protocol)) is not None
        }
        if found:
            return _small_multiples(found, protocol, values, notes)
    return None


def _small_multiples(
    found: dict[tuple[str, str, float], _Histogram], protocol: str, values: list[float], notes: list[str]
) -> _plot.Drawing:
    import pandas as pd

    rows = list(dict.fromkeys((title, name) for title, name, _ in found))
    figure, axes = _plot.grid(len(rows), len(values), row_height=0.75, share="all")
    figure.set_figheight(figure.get_figheight() + 0.4)
    tables = []
    for row, (title, name) in enumerate(rows):
        for at, strength in enumerate(values):
            ax = axes[row, at]
            histogram = found.get((title, name, strength))
            if histogram is not None:
                _densities(ax, histogram)
                panel = title.replace("\n", ", ")
                tables.append(_table(histogram).assign(panel=panel, backbone=name, strength=strength))
            ax.set_yticks([])
            if row == 0:
                ax.set_title(f"λ = {strength:g}")
            if row == len(rows) - 1:
                ax.set_xlabel("angle (°)")
        told = "\n".join(_plot.short(line, 22) for line in [*title.split("\n")[:3], name])
        axes[row, 0].set_ylabel(told, fontsize=7, rotation=0, ha="right", va="center")
    occupied = [h.edges[1:][(h.intra + h.inter) > 0].max() for h in found.values()]
    axes[0, 0].set(xlim=(0, max(120.0, *map(float, occupied))), xticks=[0, 45, 90, 135], ylim=(0, None))
    axes[0, 0].set_xlim(0, max(120.0, *map(float, occupied)))
    handles = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    said = [f"{protocol_label(protocol)}, density over all seeds", *notes]
    _plot.legend(figure, list(handles.values()), title="; ".join(said))
    order = ["protocol", "panel", "backbone", "strength", "pairs", "from_deg", "to_deg", "density"]
    return _plot.Drawing(figure, pd.concat(tables).assign(protocol=protocol)[order])


def _table(histogram: _Histogram) -> pd.DataFrame:
    import pandas as pd

    bins = {"from_deg": histogram.edges[:-1], "to_deg": histogram.edges[1:]}
    kinds = {"intra": histogram.intra, "inter": histogram.inter}
    return pd.concat([pd.DataFrame({"pairs": kind, **bins, "density": values}) for kind, values in kinds.items()])


def _densities(ax: Axes, found: _Histogram) -> None:
    """Intra is filled and inter an outline, so that they stay apart in grey."""
    ax.stairs(
        found.intra, found.edges, fill=True, color=_plot.COLOURS[0], alpha=0.75, label="intra (same identity)"
    )  # fmt: skip
    ax.stairs(found.inter, found.edges, color="#222222", linewidth=1.0, label="inter (different identities)")


def _summed(data: ReportData, runs: pd.DataFrame, protocol: str) -> _Histogram | None:
    """Over seeds; None if nothing was counted."""
    import numpy as np

    records = [data.store.evaluation(run, evaluation) for run, evaluation in data.evaluations(runs, protocol)]
    angles = [record["angles"] for record in records if record and record.get("angles")]
    if not angles:
        return None
    edges = np.asarray(angles[0]["edges_deg"], dtype=float)
    intra, inter = (np.sum([a[kind] for a in angles], axis=0) for kind in ("intra", "inter"))
    if not intra.sum() or not inter.sum():
        return None
    width = np.diff(edges)
    return _Histogram(edges, intra / (intra.sum() * width), inter / (inter.sum() * width))

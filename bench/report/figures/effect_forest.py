"""What the term did to each margin: a forest of effects with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot
from bench.report.figures._dots import MOST_ROWS, dot_grid, dots, limits, row_labels
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import pandas as pd

    from bench.report.results import ReportData


@FIGURES.register(
    "effect_forest",
    summary="Effect of the term on accuracy: cell minus its λ = 0 baseline, paired by seed, with its 95 % interval; "
    "filled where p < 0.05 after Holm's correction over the whole suite",
    source="this project",
    reads=("*.accuracy", "evaluations"),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """Data: row (its label), backbone, margin, strength and the columns of `bench.report.effects.COLUMNS`."""
    import numpy as np

    from bench.report.effects import effects

    found = effects(results)
    found = found[np.isfinite(found["effect"].astype(float))]
    if found.empty:
        return None
    numbers = {name: found[name].astype(float) for name in ("effect", "low", "high", "p", "p_holm")}
    rows = results.done.drop_duplicates("cell").set_index("cell")
    told = {name: rows.loc[found["cell"], name].to_numpy() for name in ("backbone", "margin", "strength")}
    found = found.assign(**numbers, **told)
    cells, notes = _chosen(found)
    labels = dict(zip(cells, row_labels(results, cells), strict=True))
    protocols = list(dict.fromkeys(found["protocol"]))
    figure, axes = dot_grid([protocol_label(p) for p in protocols], list(labels.values()), "", one_scale=True)
    shown = found[found["cell"].isin(cells)]
    for ax, protocol in zip(axes, protocols, strict=True):
        part = shown[shown["protocol"] == protocol].set_index("cell")
        places = np.array([cells.index(cell) for cell in part.index])
        ax.axvline(0, color="0.35", linewidth=0.8, zorder=1)
        for sure, face in ((True, _plot.COLOURS[0]), (False, "white")):
            mine = ((part["p_holm"] < 0.05) == sure).to_numpy()
            columns = (part[name].to_numpy()[mine] for name in ("effect", "low", "high"))
            colour = _plot.COLOURS[0] if sure else "0.4"
            dots(ax, places[mine], *columns, color=colour, marker="o", markerfacecolor=face)
    every = (shown[name].to_numpy() for name in ("effect", "low", "high"))
    cut = limits(axes[0], *every, zero=True)
    notes += ["intervals that leave a panel are cut"] if cut else []
    unit = "effect on accuracy (percentage points); filled: p < 0.05 (Holm)"
    figure.supxlabel(_plot.folded("; ".join([unit, *notes]), figure), fontsize=7)
    order = ["row", "backbone", "margin", "strength", *(name for name in found if name not in told)]
    return _plot.Drawing(figure, shown.assign(row=shown["cell"].map(labels))[order])


def _chosen(found: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Cells to show, by baseline and then in the order of the plan: of too many, fewer strengths of each baseline."""
    cells = found.drop_duplicates("cell")
    strengths = sorted(cells["strength"].unique())
    most = len(strengths)
    while most > 1 and _count(cells, strengths, most) > MOST_ROWS:
        most -= 1
    kept = _plot.some(strengths, most)
    notes = _plot.left_out(len(kept), len(strengths), "strengths")
    groups = [
        group["cell"].tolist() for _, group in cells[cells["strength"].isin(kept)].groupby("baseline", sort=False)
    ]
    every = [str(cell) for group in groups for cell in group]
    return every[:MOST_ROWS], notes + _plot.left_out(min(len(every), MOST_ROWS), len(every), "rows")


def _count(cells: pd.DataFrame, strengths: list[float], most: int) -> int:
    return int(cells["strength"].isin(_plot.some(strengths, most)).sum())

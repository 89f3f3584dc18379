"""Accuracy of every margin, where a suite compares margins without a strength axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot
from bench.report.figures._dots import MOST_ROWS, dot_grid, dots, limits, row_labels
from bench.report.figures._lines import means
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    from bench.report.results import ReportData


@FIGURES.register(
    "accuracy_by_margin",
    summary="Accuracy of every margin, mean over seeds with its 95 % interval; crosses are seeds",
    source="this project",
    reads=("*.accuracy",),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """None where strengths vary, which other figures show. Data: row (its label), cell, backbone, margin, protocol,
    shown (seed or mean), seed, value (%), and of a mean low, high and seeds."""
    import pandas as pd

    done, protocols = results.done, results.plan["protocols"]
    names = {p: f"{p}.accuracy" for p in protocols if f"{p}.accuracy" in done and done[f"{p}.accuracy"].notna().any()}
    if len(_plot.strengths(done)) > 1 or not names:
        return None
    every = list(dict.fromkeys(done["cell"]))
    cells = every[:MOST_ROWS]
    labels = dict(zip(cells, row_labels(results, cells), strict=True))
    notes = ["accuracy (%); crosses: seeds"]
    figure, axes = dot_grid([protocol_label(p) for p in names], list(labels.values()), "", one_scale=False)
    rows, tables = done[done["cell"].isin(cells)], []
    cut = False
    for ax, (protocol, column) in zip(axes, names.items(), strict=True):
        seeds = rows[["cell", "backbone", "margin", "seed"]].assign(value=100 * rows[column]).dropna(subset="value")
        mean = means(seeds, ["cell", "backbone", "margin"], "value").rename(columns={"mean": "value"})
        places = {cell: place for place, cell in enumerate(cells)}
        ax.plot(
            seeds["value"], seeds["cell"].map(places), "x", color="0.55", markersize=3, markeredgewidth=0.7, zorder=2
        )
        values, low, high = (mean[name].to_numpy() for name in ("value", "low", "high"))
        dots(ax, mean["cell"].map(places), values, low, high, color=_plot.COLOURS[0], marker="o")
        cut |= limits(ax, seeds["value"].to_numpy(), low, high, zero=False)
        tables += [t.assign(protocol=protocol, shown=kind) for t, kind in ((mean, "mean"), (seeds, "seed"))]
    notes += _plot.left_out(len(cells), len(every), "rows") + (["intervals that leave a panel are cut"] if cut else [])
    figure.supxlabel(_plot.folded("; ".join(notes), figure), fontsize=7)
    data = pd.concat(tables)
    order = ["protocol", "row", "cell", "backbone", "margin", "shown", "seed", "value", "low", "high", "seeds"]
    return _plot.Drawing(
        figure, data.assign(row=data["cell"].map(labels))[order].astype({"seed": "Int64", "seeds": "Int64"})
    )

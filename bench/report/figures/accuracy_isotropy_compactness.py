"""Accuracy against isotropy and compactness: where each cell lies, and where the term moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from bench.catalog import FIGURES
from bench.report.effects import seed_interval
from bench.report.figures import _cells, _plot
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

METRICS = ("accuracy", "isotropy", "compactness_deg")
MOST = 15


@FIGURES.register(
    "accuracy_isotropy_compactness",
    summary="Accuracy against isotropy, colour is compactness; a path leads from the base loss over rising λ, crosses "
    "are 95 % intervals from 3 seeds, pale dots the cells of the other panels",
    source="this project",
    reads=("*.accuracy", "*.isotropy", "*.compactness_deg"),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """None where no protocol has all three of accuracy, isotropy and compactness."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    protocols = _cells.measured(results, *METRICS)
    cells = cell_means(results, protocols) if protocols else None
    if cells is None or cells.empty:
        return None
    titles = list(dict.fromkeys(cells["panel"]))
    names = list(dict.fromkeys(cells["backbone"]))
    figure, axes = _cells.wrapped(titles[:MOST], row_height=1.75, xlabel="isotropy", ylabel="accuracy (%)")
    colours = ScalarMappable(Normalize(cells["compactness_deg"].min(), cells["compactness_deg"].max()), "cividis")
    for title, ax in zip(titles, axes, strict=False):
        ax.plot(cells["isotropy"], cells["accuracy"], "o", color="0.8", markersize=2, zorder=1)
        for i, name in enumerate(names):
            path = cells[(cells["panel"] == title) & (cells["backbone"] == name)]
            _path(ax, path, _plot.MARKERS[i % len(_plot.MARKERS)], colours)
    axes[0].set(xlim=_cells.limits(cells["isotropy"]), ylim=_cells.limits(cells["accuracy"]))
    axes[0].xaxis.set_major_locator(MaxNLocator(4))
    bar = figure.colorbar(colours, ax=axes, fraction=0.03, aspect=30, pad=0.01)
    bar.set_label("compactness (°)")
    bar.outline.set_visible(False)
    _plot.legend(figure, _handles(names), title=_title(protocols, len(titles)))
    return _plot.Drawing(figure, cells)


def cell_means(results: ReportData, protocols: list[str]) -> pd.DataFrame:
    """A row a panel, backbone and strength: ``seeds`` and, of each metric averaged over the protocols, its mean over
    seeds with ``_low`` and ``_high`` of the interval (NaN below two seeds). Accuracy in %, compactness in degrees."""
    import pandas as pd

    rows = []
    for title, part in _plot.panels(results):
        for name, strength, runs in _plot.by_backbone_and_strength(part):
            found = pd.DataFrame({m: runs[[f"{p}.{m}" for p in protocols]].mean(axis=1, skipna=False) for m in METRICS})
            found = found.dropna().assign(accuracy=lambda cell: 100 * cell["accuracy"])
            if found.empty:
                continue
            row: dict[str, Any] = {"panel": title, "backbone": name, "strength": strength, "seeds": len(found)}
            for metric in METRICS:
                low, high = seed_interval(list(found[metric])) or (float("nan"), float("nan"))
                row |= {metric: found[metric].mean(), f"{metric}_low": low, f"{metric}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def _path(ax: Axes, path: pd.DataFrame, marker: str, colours: Any) -> None:
    """The cells of one margin and backbone in order of λ, the baseline ringed."""
    import numpy as np

    path = path.sort_values("strength")
    x, y = path["isotropy"].to_numpy(), path["accuracy"].to_numpy()
    for start, end in zip(zip(x, y, strict=True), list(zip(x, y, strict=True))[1:], strict=False):
        ax.annotate(
            "", end, start, zorder=2, arrowprops={"arrowstyle": "-|>", "color": "0.45", "lw": 0.7, "shrinkA": 2,
            "shrinkB": 3, "mutation_scale": 6},
        )  # fmt: skip
    for value, across, flat in (("isotropy", y, True), ("accuracy", x, False)):
        enough = path["seeds"] >= _plot.SEEDS_OF_INTERVALS
        ends = path[f"{value}_low"].where(enough), path[f"{value}_high"].where(enough)
        (ax.hlines if flat else ax.vlines)(across, *ends, color="0.86", linewidth=0.8, zorder=0.5)
    edges = np.where(path["strength"] == 0, "black", "0.35")
    widths = np.where(path["strength"] == 0, 1.3, 0.5)
    ax.scatter(
        x, y, c=path["compactness_deg"], marker=marker, cmap=colours.cmap, norm=colours.norm, s=26,
        edgecolors=list(edges), linewidths=list(widths), zorder=3,
    )  # fmt: skip
    if len(path) > 1:  # the others follow along the arrows; more would lie on each other
        at, last = (x[-1], y[-1]), path["strength"].iloc[-1]
        ax.annotate(f"{last:g}", at, (4, 3), textcoords="offset points", fontsize=7, color="0.25", zorder=4)


def _handles(names: list[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"linestyle": "", "markersize": 5, "markerfacecolor": "0.75", "color": "0.35"}
    handles = [Line2D([], [], marker=_plot.MARKERS[i % 6], label=name, **look) for i, name in enumerate(names)]
    base = {**look, "color": "black", "markeredgewidth": 1.3}
    return [*handles, cast("Any", Line2D([], [], marker="o", label="base loss (λ = 0)", **base))]


def _title(protocols: list[str], panels: int) -> str:
    where = (
        "mean over " + ", ".join(map(protocol_label, protocols)) if len(protocols) > 1 else protocol_label(*protocols)
    )
    return _cells.joined(where, "arrows lead to larger λ, the last is told", _cells.first_of(MOST, panels, "panels"))

"""Average ranks of the rows with Nemenyi's critical difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot
from bench.report.figures._dots import MOST_ROWS, row_labels
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.evaluation.ranks import Ranking
    from bench.report.results import ReportData

_BEST, _OTHER = "#0072b2", "0.45"


@FIGURES.register(
    "critical_difference",
    summary="Average rank by accuracy, a task being a protocol and a seed; bars join rows that Nemenyi's test "
    "does not tell apart",
    source="Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006",
    reads=("*.accuracy",),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """None below three rows or two tasks that every one of these rows has finished.

    Data: place, row (its label), cell, rank, near_best, groups (numbers of the bars that it is under), and what the
    ranking is of: rows, tasks, critical_difference, friedman_p.
    """
    from bench.evaluation.ranks import rank_rows

    table = accuracy_by_task(results)
    tasks, rows = table.shape
    if rows < 3 or tasks < 2:
        return None
    ranking = rank_rows(table.to_numpy(), higher_is_better=True)
    shown = ranking.order[:MOST_ROWS]
    figure, axes = _plot.grid(1, 1, row_height=0.7 + 0.17 * len(shown))
    figure.set_figwidth(_plot.PAGE_WIDTH)
    ax = axes[0, 0]
    labels = [_plot.short(label, 60) for label in row_labels(results, table.columns[list(shown)])]
    _points(ax, ranking, shown)
    _difference(ax, ranking, len(shown))
    _bars(ax, ranking, shown)
    ax.set_yticks(range(len(shown)), labels)
    ax.set_ylim(len(shown) - 0.4, -2.1)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    figure.supxlabel(
        f"average rank by accuracy, 1 is best (Friedman test: {_p_text(ranking.iman_davenport_p)})\n"
        f"{_counts(results, table, len(shown))}",
        fontsize=8,
    )
    return _plot.Drawing(figure, _data(ranking, shown, table, labels))


def _data(ranking: Ranking, shown: Sequence[int], table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    ranks = ranking.ranks[list(shown)]
    bars = [group for group in ranking.groups if len(group) > 1]
    return pd.DataFrame({
        "place": range(1, len(shown) + 1), "row": labels, "cell": table.columns[list(shown)], "rank": ranks,
        "near_best": ranks - ranking.ranks.min() < ranking.critical_difference,
        "groups": [" ".join(str(at) for at, group in enumerate(bars, 1) if row in group) for row in shown],
        "rows": table.shape[1], "tasks": ranking.tasks, "critical_difference": ranking.critical_difference,
        "friedman_p": ranking.iman_davenport_p,
    })  # fmt: skip


def accuracy_by_task(results: ReportData) -> pd.DataFrame:
    """Accuracy by (protocol, seed) × cell: cells with any finished run, and the tasks that all of these have."""
    import pandas as pd

    done = results.done
    columns = {name: f"{name}.accuracy" for name in results.plan["protocols"] if f"{name}.accuracy" in done}
    if done.empty or not columns:
        return pd.DataFrame()
    cells = list(dict.fromkeys(done["cell"]))
    parts = {
        name: done.pivot_table(index="seed", columns="cell", values=column).reindex(columns=cells)
        for name, column in columns.items()
    }
    table: pd.DataFrame = pd.concat(parts, names=["protocol"])
    return table.dropna()


def _points(ax: Axes, ranking: Ranking, shown: Sequence[int]) -> None:
    """A point a row: filled and blue where the row is not told apart from the best."""
    for place, row in enumerate(shown):
        rank = float(ranking.ranks[row])
        near = rank - ranking.ranks[shown[0]] < ranking.critical_difference
        ax.plot([0, rank], [place, place], color="0.85", linewidth=0.6, zorder=1)
        ax.plot(
            rank, place, "o", markersize=4.5, color=_BEST if near else _OTHER, zorder=3,
            markerfacecolor=_BEST if near else "white",
        )  # fmt: skip


def _difference(ax: Axes, ranking: Ranking, shown: int) -> None:
    """The critical difference as a length from the best row; the dotted line at its end parts filled from open."""
    start = float(ranking.ranks.min())
    end = start + ranking.critical_difference
    if end <= len(ranking.ranks):
        ax.plot([end, end], [-1, shown], color="0.2", linewidth=0.6, linestyle=":", zorder=1)
    ax.plot([start, min(end, len(ranking.ranks))], [-1, -1], color="0.2", linewidth=1, marker="|", markersize=5)
    text = f"critical difference {ranking.critical_difference:.2f} (α = {ranking.alpha:g}); "
    ax.text(
        1, -1.3, f"{text}filled: not told apart from the best", fontsize=7, va="bottom", ha="right",
        transform=ax.get_yaxis_transform(), bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip


def _bars(ax: Axes, ranking: Ranking, shown: Sequence[int]) -> None:
    """One bar for each group, right of the ranks, side by side where they would overlap; sets the rank axis too."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    spans = [[place for place, row in enumerate(shown) if row in group] for group in ranking.groups]
    spans = [span for span in spans if len(span) > 1]
    ends: list[int] = []
    columns = []
    for span in spans:
        column = next((at for at, end in enumerate(ends) if end < span[0]), len(ends))
        ends[column:] = [span[-1], *ends[column + 1 :]]
        columns.append(column)
    first, last = 1.0, float(max(ranking.ranks[shown[-1]], ranking.ranks.min() + ranking.critical_difference))
    last = min(last, float(len(ranking.ranks)))
    step = (last - first) * min(0.03, 0.5 / max(len(ends), 1))
    for span, column in zip(spans, columns, strict=True):
        x = last + step * (column + 1)
        best = ranking.ranks[shown[span[0]]] == ranking.ranks.min()
        ax.plot(
            [x, x], [span[0] - 0.3, span[-1] + 0.3], linewidth=3, solid_capstyle="butt", color=_BEST if best else _OTHER
        )
    ax.set_xlim(first - 0.03 * (last - first), last + step * (len(ends) + 1))
    ax.spines["bottom"].set_bounds(first, last)
    ticks = MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]).tick_values(first, last)
    apart = ticks[1] - ticks[0]
    ax.xaxis.set_major_locator(FixedLocator([1, *(tick for tick in ticks if 1 + apart / 2 <= tick <= last)]))


def _counts(results: ReportData, table: pd.DataFrame, shown: int) -> str:
    """How many rows and tasks there are, on which protocols, and what was left out."""
    tasks, rows = table.shape
    protocols = list(table.index.unique("protocol"))
    named = ", ".join(map(protocol_label, protocols)) if len(protocols) <= 4 else f"{len(protocols)} protocols"
    best = f"the best {shown} of " if shown < rows else ""
    every = {"rows": results.frame["cell"].nunique()}
    # A protocol without folds has no accuracy, hence no task that could be missing.
    columns = [f"{name}.accuracy" for name in results.plan["protocols"]]
    judged = [column for column in columns if column in results.done and results.done[column].notna().any()]
    every["tasks"] = len(judged) * results.frame["seed"].nunique()
    had = {"rows": rows, "tasks": tasks}
    lost = [f"{every[what] - had[what]} of {every[what]} {what}" for what in had if every[what] > had[what]]
    unfinished = f"\nunfinished and left out: {', '.join(lost)}" if lost else ""
    return f"{best}{rows} rows over {tasks} tasks (protocol × seed) on {named}{unfinished}"


def _p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"

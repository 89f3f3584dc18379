"""Scores of genuine and impostor pairs with the term and without, and the thresholds between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures import _cells, _plot
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

MOST, BINS = 12, 60
MOST_RUNS = 10
"""Seeds of a cell whose scores are read."""
FARS = ("1e-2", "1e-3")
ACCURACY = "accuracy"
GENUINE, IMPOSTOR = "#0173b2", "#de8f05"
LINES: dict[str, Any] = {ACCURACY: "-", "1e-2": "--", "1e-3": ":"}


@dataclass(frozen=True)
class Half:
    """One cell's half of a panel: densities (BINS,) over the common edges, and the threshold of each name."""

    panel: str
    strength: float
    seeds: int
    genuine: np.ndarray
    impostor: np.ndarray
    thresholds: dict[str, float]


@FIGURES.register(
    "score_distributions",
    summary="Densities of the scores of genuine and impostor pairs, all seeds together: above without the term, below "
    "with it at the largest λ; vertical lines are thresholds, mean over seeds",
    source="this project",
    reads=("*.threshold_mean", "evaluations"),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """The first protocol that has scores; None where none has."""
    panels, note = _cells.panels_by_backbone(results, MOST)
    for protocol in results.plan["protocols"]:
        edges, halves = distributions(results, protocol, panels)
        if halves:
            break
    else:
        return None
    titles = list(dict.fromkeys(half.panel for half in halves))
    labels = [_titled(title, halves) for title in titles]
    figure, axes = _cells.wrapped(labels, row_height=1.7, xlabel="score (cosine)", ylabel="density")
    for title, ax in zip(titles, axes, strict=True):
        _mirrored(ax, edges, [half for half in halves if half.panel == title])
    cut = f"of each cell {MOST_RUNS} runs" if results.done["cell"].value_counts().max() > MOST_RUNS else ""
    _plot.legend(figure, _handles(halves), title=_cells.joined(protocol_label(protocol), note, cut))
    return _plot.Drawing(figure, _table(protocol, edges, halves))


def distributions(
    results: ReportData, protocol: str, panels: list[tuple[str, pd.DataFrame]]
) -> tuple[np.ndarray, list[Half]]:
    """Common edges (BINS + 1,) over all scores that are shown, and for each panel its smallest and largest strength."""
    import numpy as np

    shown = []
    for title, part in panels:
        strengths = sorted(set(part["strength"]))
        for strength in strengths if len(strengths) < 2 else (strengths[0], strengths[-1]):
            found = _scores(results, part[part["strength"] == strength], protocol)
            if found:
                shown.append((title, float(strength), part[part["strength"] == strength], found))
    if not shown:
        return np.zeros(0), []
    every = [scores for *_, found in shown for scores, _ in found]
    low, high = min(float(s.min()) for s in every), max(float(s.max()) for s in every)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return edges, [_half(title, strength, runs, found, protocol, edges) for title, strength, runs, found in shown]


def _scores(results: ReportData, runs: pd.DataFrame, protocol: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """(scores (P,) float, same (P,) bool) of each run that has pairs of both kinds."""
    found = []
    for run, evaluation in results.evaluations(runs.head(MOST_RUNS), protocol):
        arrays = results.store.some_arrays(run, evaluation, ("scores", "same"))
        if len(arrays.get("scores", ())) and 0 < arrays["same"].sum() < len(arrays["same"]):
            found.append((arrays["scores"], arrays["same"].astype(bool)))
    return found


def _half(
    title: str, strength: float, runs: pd.DataFrame, found: list[tuple[np.ndarray, np.ndarray]], protocol: str,
    edges: np.ndarray,
) -> Half:  # fmt: skip
    import numpy as np

    from bench.evaluation.verification import tar_at_far

    thresholds = {}
    column = f"{protocol}.threshold_mean"
    if column in runs and runs[column].notna().any():
        thresholds[ACCURACY] = float(runs[column].mean())
    for far in FARS:
        at = [tar_at_far(scores[same], scores[~same], far).threshold for scores, same in found]
        told = [value for value in at if value is not None and np.isfinite(value)]
        if len(told) == len(at):
            thresholds[far] = float(np.mean(told))
    kinds = [np.concatenate([scores[same == kind] for scores, same in found]) for kind in (True, False)]
    genuine, impostor = (np.histogram(kind, edges, density=True)[0] for kind in kinds)
    return Half(title, strength, len(found), genuine, impostor, thresholds)


def _mirrored(ax: Axes, edges: np.ndarray, halves: list[Half]) -> None:
    """The first half upwards, the second downwards; genuine filled and impostor an outline over a pale fill."""
    from matplotlib.ticker import FuncFormatter

    for half, sign in zip(halves, (1, -1), strict=False):
        ax.stairs(sign * half.genuine, edges, fill=True, color=GENUINE, alpha=0.8)
        ax.stairs(sign * half.impostor, edges, fill=True, color=IMPOSTOR, alpha=0.35)
        ax.stairs(sign * half.impostor, edges, color="0.15", linewidth=0.8)
        top = sign * max(half.genuine.max(), half.impostor.max())
        for name, value in half.thresholds.items():
            ax.plot([value, value], [0, top], color="0.1", linestyle=LINES[name], linewidth=1.0)
        ax.annotate(
            f"λ = {half.strength:g}", (0.02, 0.97 if sign > 0 else 0.03), xycoords="axes fraction", fontsize=7,
            va="top" if sign > 0 else "bottom",
        )  # fmt: skip
    ax.axhline(0, color="0.2", linewidth=0.6)
    ax.margins(y=0.12)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))


def _titled(title: str, halves: list[Half]) -> str:
    seeds = max(half.seeds for half in halves if half.panel == title)
    return f"{title} ({seeds} seed{'s' * (seeds > 1)})"


def _handles(halves: list[Half]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    named = {ACCURACY: "threshold of the accuracy", **{far: f"threshold at FAR {far}" for far in FARS}}
    told = dict.fromkeys(name for half in halves for name in half.thresholds)
    return [
        Patch(facecolor=GENUINE, alpha=0.8, label="genuine"),
        Patch(facecolor=IMPOSTOR, alpha=0.5, edgecolor="0.15", label="impostor"),
        *(Line2D([], [], color="0.1", linewidth=1, linestyle=LINES[n], label=named[n]) for n in named if n in told),
    ]


def _table(protocol: str, edges: np.ndarray, halves: list[Half]) -> pd.DataFrame:
    """A row a bin (kind genuine or impostor: from, to, density) or a threshold (kind threshold, of: which, from)."""
    import pandas as pd

    parts = []
    for half in halves:
        shared = {"protocol": protocol, "panel": half.panel, "strength": half.strength, "seeds": half.seeds}
        for kind, density in (("genuine", half.genuine), ("impostor", half.impostor)):
            parts.append(
                pd.DataFrame(
                    {**shared, "kind": kind, "of": "", "from": edges[:-1], "to": edges[1:], "density": density}
                )
            )
        for name, value in half.thresholds.items():
            of = name if name == ACCURACY else f"FAR {name}"
            parts.append(pd.DataFrame([{**shared, "kind": "threshold", "of": of, "from": value, "to": value}]))
    return pd.concat(parts, ignore_index=True)

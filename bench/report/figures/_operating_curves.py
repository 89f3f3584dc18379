"""Error rates over all thresholds, from stored scores: rows of protocols, columns of margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.report.figures import _plot
from bench.report.figures._lines import Line, lines
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

MOST_RATES = 60
"""Points of a curve, evenly spaced in log FAR."""


@dataclass(frozen=True)
class Curve:
    """TAR (shares) at rising FAR, with its interval over seeds (NaN below two); how many pairs the rates are of."""

    line: Line
    far: np.ndarray
    tar: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int
    impostors: int
    genuine: int


def operating_curves(data: ReportData, rate: Literal["tar", "frr"]) -> _plot.Drawing | None:
    """TAR or FRR in % against FAR, mean and 95 % interval over seeds, drawn only as far as the pairs resolve both.

    Data: protocol, panel, line, backbone, strength, far, the rate, low, high (shares), seeds, impostors, genuine.
    """
    import pandas as pd

    drawn = lines(data, len(data.plan["protocols"]))
    curves = {
        protocol: [
            curve for part in drawn.panels.values() for line in part if (curve := _curve(data, line, protocol))
        ]
        for protocol in data.plan["protocols"]
    }  # fmt: skip
    curves = {protocol: found for protocol, found in curves.items() if found}
    if not curves:
        return None
    label = {"tar": "true-accept rate (%)", "frr": "false-reject rate (%)"}[rate]
    figure, axes = _plot.panel_grid(
        [f"{protocol_label(protocol)}\n{label}" for protocol in curves], list(drawn.panels), row_height=1.6,
        xlabel="false-accept rate",
    )  # fmt: skip
    tables = []
    for row, (protocol, found) in enumerate(curves.items()):
        for curve in found:
            table = _table(curve, rate)
            ax = axes[row, list(drawn.panels).index(curve.line.panel)]
            _draw(ax, table, curve, band=drawn.has_band(curve.line))
            tables.append(table.assign(protocol=protocol, **curve.line.told))
        for ax in axes[row]:
            _axes(ax, min(curve.impostors for curve in found), min(curve.genuine for curve in found), rate)
    resolved = "dotted: one impostor pair" + (", one genuine pair" if rate == "frr" else "")
    _plot.legend(figure, drawn.handles, "; ".join([resolved, *drawn.bands, *drawn.notes]))
    order = ["protocol", "panel", "line", "backbone", "strength", "far", rate, "low", "high"]
    return _plot.Drawing(figure, pd.concat(tables)[[*order, "seeds", "impostors", "genuine"]])


def _curve(data: ReportData, line: Line, protocol: str) -> Curve | None:
    import numpy as np
    from scipy.special import stdtrit

    far, found, counts = None, [], []
    for run, evaluation in data.evaluations(line.runs, protocol):
        arrays = data.store.evaluation_arrays(run, evaluation)
        same = arrays["same"].astype(bool)
        genuine, impostors = int(same.sum()), int((~same).sum())
        if not genuine or not impostors:
            continue
        if far is None:
            far = np.unique(np.geomspace(1, impostors, MOST_RATES).round()) / impostors
        let_through = np.maximum(np.floor(far * impostors + 1e-6).astype(int), 1)
        found.append(accept_rates(arrays["scores"], same)[1][let_through - 1])
        counts.append((impostors, genuine))
    if far is None:
        return None
    table = np.stack(found)
    sd = table.std(axis=0, ddof=1) if len(table) > 1 else np.full(len(far), np.nan)
    half = stdtrit(max(len(table) - 1, 1), 0.975) * sd / len(table) ** 0.5
    mean = table.mean(axis=0)
    low, high = np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1)
    return Curve(line, far, mean, low, high, len(table), min(n for n, _ in counts), min(n for _, n in counts))


def _table(curve: Curve, rate: str) -> pd.DataFrame:
    """One row a point that is drawn: a false-reject rate below one genuine pair is none."""
    import pandas as pd

    tar = {rate: curve.tar, "low": curve.low, "high": curve.high}
    frr = {rate: 1 - curve.tar, "low": 1 - curve.high, "high": 1 - curve.low}
    told = {"seeds": curve.seeds, "impostors": curve.impostors, "genuine": curve.genuine}
    table = pd.DataFrame({"far": curve.far, **(tar if rate == "tar" else frr), **told})
    return table if rate == "tar" else table[table["frr"] >= (1 - 1e-9) / curve.genuine]


def _draw(ax: Axes, table: pd.DataFrame, curve: Curve, *, band: bool) -> None:
    rate = "tar" if "tar" in table else "frr"
    ax.plot(table["far"], 100 * table[rate], linewidth=1.1, **curve.line.look)
    if band:
        floor = 0 if rate == "tar" else 1 / curve.genuine
        low, high = 100 * table["low"].clip(lower=floor), 100 * table["high"]
        ax.fill_between(table["far"], low, high, color=curve.line.look["color"], alpha=0.15, linewidth=0)


def _axes(ax: Axes, impostors: int, genuine: int, rate: str) -> None:
    limit: dict[str, Any] = {"color": "0.35", "linestyle": (0, (1, 2)), "linewidth": 0.8, "zorder": 1}
    ax.set_xscale("log")
    _plot.log_axis(ax.xaxis)
    ax.axvline(1 / impostors, **limit)
    ax.set_xlim(1 / impostors / impostors**0.04, 1)
    if rate == "frr":
        ax.set_yscale("log")
        _plot.log_axis(ax.yaxis)
        ax.axhline(100 / genuine, **limit)
        ax.set_ylim(100 / genuine / genuine**0.04, 100)


def accept_rates(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(FAR, TAR), each (N,) for N impostor pairs: the largest TAR that lets through at most k impostors, k = 1 … N.

    ``scores`` (P,) float and ``same`` (P,) bool; a pair is accepted if its score is at least the threshold.
    """
    import numpy as np

    impostors = np.sort(scores[~same])[::-1]
    genuine = np.sort(scores[same])
    count = len(impostors)
    floors = np.append(impostors[1:], -np.inf)
    accepted = len(genuine) - np.searchsorted(genuine, floors, side="right")
    return np.arange(1, count + 1) / count, accepted / len(genuine)

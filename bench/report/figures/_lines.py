"""Which finished runs make which line of which panel, and their means over seeds with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.report.figures import _plot

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.lines import Line2D

    from bench.report.results import ReportData

MOST_LINES = 10
"""Rows in a panel, where no strength tells them apart."""
FEW_LINES = 4
"""In a panel, up to which each has its interval as a band; of more, only those without enhancement."""


@dataclass(frozen=True)
class Line:
    """The runs of one line, one a seed; ``look``: colour and style."""

    panel: str
    label: str
    backbone: str
    strength: float
    runs: pd.DataFrame
    look: dict[str, Any]

    @property
    def told(self) -> dict[str, Any]:
        """What a table of the figure's data says of it."""
        return {
            "panel": self.panel.replace("\n", ", "), "line": self.label, "backbone": self.backbone,
            "strength": self.strength,
        }  # fmt: skip


@dataclass(frozen=True)
class Lines:
    """Panels from left to right with their lines, what the legend says, and what was left out, in words."""

    panels: dict[str, list[Line]]
    handles: list[Line2D]
    notes: list[str]
    by_strength: bool

    def has_band(self, line: Line) -> bool:
        chosen = len(self.panels[line.panel]) <= FEW_LINES or (self.by_strength and line.strength == 0)
        return chosen and len(line.runs) >= _plot.SEEDS_OF_INTERVALS

    @property
    def bands(self) -> list[str]:
        """What is said of them."""
        has_band = {self.has_band(line) for part in self.panels.values() for line in part}
        only = ", not drawn for every line" if len(has_band) > 1 else ""
        return [f"bands: 95 % interval over seeds{only}"] if True in has_band else []


def lines(data: ReportData, rows: int) -> Lines:
    """A panel a margin and a line a backbone and strength; without strengths a panel a backbone and a line a margin.

    ``rows``: of panels that the figure has, for its size is bounded.
    """
    found = _plot.panels(data)
    return _by_strength(data, found, rows) if len(_plot.strengths(data.done)) > 1 else _by_margin(data, found, rows)


def bounded(found: list[tuple[str, pd.DataFrame]], rows: int) -> tuple[list[tuple[str, pd.DataFrame]], list[str]]:
    """As many panels as a figure with so many rows of them has room for, and what is said of the others."""
    most = max(_plot.ACROSS, _plot.MOST_AXES // max(rows, 1) // _plot.ACROSS * _plot.ACROSS)
    return found[:most], _plot.left_out(min(len(found), most), len(found), "margins or forms")


def means(values: pd.DataFrame, by: Sequence[str], column: str) -> pd.DataFrame:
    """Mean over seeds with its 95 % interval (Student's t), as `bench.report.effects.seed_interval` of each group.

    Columns: ``by``, mean, low, high (NaN below two seeds), seeds.
    """
    import numpy as np
    from scipy.special import stdtrit

    found = values.groupby(list(by))[column].agg(["mean", "std", "count"]).reset_index()
    half = stdtrit(np.maximum(found["count"] - 1, 1), 0.975) * found["std"] / np.sqrt(found["count"])
    return found[[*by, "mean"]].assign(low=found["mean"] - half, high=found["mean"] + half, seeds=found["count"])


def _by_strength(data: ReportData, found: list[tuple[str, pd.DataFrame]], rows: int) -> Lines:
    found, notes = bounded(found, rows)
    every, names = _plot.strengths(data.done), _plot.backbones(data.done)
    shown = _plot.some(every, _plot.MOST_STRENGTHS)
    colours = _plot.strength_colours(shown)
    panels = {
        title: [
            Line(
                title, f"λ = {strength:g}", name, strength, runs,
                {"color": colours[strength], "linestyle": _plot.LINESTYLES[names.index(name) % 4]},
            )
            for name, strength, runs in _plot.by_backbone_and_strength(part)
            if strength in colours
        ]
        for title, part in found
    }  # fmt: skip
    notes += _plot.left_out(len(shown), len(every), "strengths")
    return Lines(panels, _plot.strength_and_backbone_handles(shown, names), notes, by_strength=True)


def _by_margin(data: ReportData, found: list[tuple[str, pd.DataFrame]], rows: int) -> Lines:
    from matplotlib.lines import Line2D

    names = _plot.backbones(data.done)
    shown_names = names[: max(_plot.ACROSS, _plot.MOST_AXES // max(rows, 1))]
    notes = _plot.left_out(min(len(found), MOST_LINES), len(found), "rows")
    notes += _plot.left_out(len(shown_names), len(names), "backbones")
    panels: dict[str, list[Line]] = {name: [] for name in shown_names}
    handles = []
    for i, (title, part) in enumerate(found[:MOST_LINES]):
        look: dict[str, Any] = {"color": _plot.COLOURS[i % len(_plot.COLOURS)], "linestyle": _plot.LINESTYLES[i % 4]}
        label = title.replace("\n", ", ")
        handles.append(Line2D([], [], label=label, **look))
        for name in shown_names:
            runs = part[part["backbone"] == name]
            if len(runs):
                panels[name].append(Line(name, label, name, float(runs["strength"].iloc[0]), runs, look))
    return Lines(panels, handles, notes, by_strength=False)

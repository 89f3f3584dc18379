"""What the figures share: size, fonts, panels, lines that stay apart in grey, and a strength axis that shows 0."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from bench.report.labels import axis_label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.report.results import ReportData

PAGE_WIDTH = 7.0
"""Inches: two columns of a conference page, so 8 pt here is 8 pt in print."""

LINESTYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
ACROSS = 5
"""Panels side by side, at most."""
MARKERS = ("o", "s", "^", "D", "v", "P")
_RC: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.color": "0.88",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.3,
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a "$" in somebody's name is a "$"
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Drawing:
    """A figure and the numbers it shows, in long form: one row a mark, columns that say what and how much."""

    figure: Figure
    data: pd.DataFrame


@contextmanager
def style() -> Iterator[None]:
    """The figures' look, for making *and* for saving one."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def grid(rows: int, columns: int, *, row_height: float, share: str = "row") -> tuple[Figure, np.ndarray]:
    """A figure of page width without global state, and its axes (rows, columns)."""
    from matplotlib.figure import Figure

    width = min(PAGE_WIDTH, 1.2 + 2.4 * columns)
    figure = Figure(figsize=(width, 0.5 + row_height * rows))
    sharey: Any = share
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=sharey)


def panel_grid(
    quantities: Sequence[str], titles: Sequence[str], *, row_height: float, xlabel: str
) -> tuple[Figure, np.ndarray]:
    """A figure of page width and its axes (quantities, panels): a row a quantity, a column a panel.

    More panels than ``ACROSS`` go on below, in blocks of rows. A quantity has one scale in all panels.
    """
    import numpy as np
    from matplotlib.figure import Figure

    titles = ["\n".join(textwrap.fill(line, 26) for line in title.split("\n")) for title in titles]
    blocks, across = -(-len(titles) // ACROSS), min(len(titles), ACROSS)
    heading = 0.13 * max(title.count("\n") for title in titles)
    size = min(PAGE_WIDTH, 1.2 + 2.4 * across), 0.5 + blocks * (row_height * len(quantities) + heading)
    figure = Figure(figsize=size)
    placed = figure.subplots(blocks * len(quantities), across, squeeze=False)
    axes = np.empty((len(quantities), len(titles)), dtype=object)
    for (row, at), _ in np.ndenumerate(axes):
        ax = axes[row, at] = placed[at // ACROSS * len(quantities) + row, at % ACROSS]
        if at:
            ax.sharey(axes[row, 0])
        if row or at:
            ax.sharex(axes[0, 0])
        ax.tick_params(labelleft=at % ACROSS == 0, labelbottom=row == len(quantities) - 1)
        if row == 0:
            ax.set_title(titles[at], fontsize=7 if across == ACROSS else None)
        if row == len(quantities) - 1:
            ax.set_xlabel(xlabel)
        if at % ACROSS == 0:
            ax.set_ylabel(quantities[row])
    for ax in placed[-len(quantities) :, (len(titles) - 1) % ACROSS + 1 :].flat:
        ax.remove()
    return figure, axes


def backbone_colours(names: Sequence[str]) -> dict[str, Any]:
    """One colour a backbone from a palette made for colour-blind readers."""
    import seaborn

    return dict(zip(names, seaborn.color_palette("colorblind", len(names)), strict=True))


def strength_colours(strengths: Sequence[float]) -> dict[float, Any]:
    """Strengths as a scale of lightness, which survives printing in grey."""
    import matplotlib as mpl

    scale = mpl.colormaps["viridis"]
    last = max(len(strengths) - 1, 1)
    return {strength: scale(0.85 * i / last) for i, strength in enumerate(strengths)}


def strengths(frame: pd.DataFrame) -> list[float]:
    return sorted(float(value) for value in frame["strength"].unique())


def backbones(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame["backbone"].unique()]


def by_backbone_and_strength(part: pd.DataFrame) -> Iterator[tuple[str, float, pd.DataFrame]]:
    for key, runs in part.groupby(["backbone", "strength"], sort=False):
        name, strength = cast("tuple[str, float]", key)
        yield name, strength, runs


def panels(data: ReportData) -> list[tuple[str, pd.DataFrame]]:
    """(title, finished runs) for each margin, and each value of any other axis but backbone and strength.

    A form of the term has no runs of its own at λ = 0: it is given its baseline's.
    """
    import pandas as pd

    others = [a for a in data.plan["axes"] if a not in ("backbone", "enhancement.strength")]
    keys = ["margin", *(axis for axis in others if axis != "margin")]
    found = []
    for values, part in data.done.groupby(keys, sort=False):
        needed = data.done["cell"].isin(part["baseline"]) & ~data.done["run"].isin(part["run"])
        named = [f"{axis_label(key)} {value}" for key, value in zip(keys[1:], values[1:], strict=True)]
        found.append(("\n".join([str(values[0]), *named]), pd.concat([data.done[needed], part])))
    return found


def points_and_mean(ax: Axes, part: pd.DataFrame, names: Sequence[str], column: str, scale: float) -> None:
    """Every seed a point, the mean a line, a band of ± sd from 5 seeds; one line a backbone.

    ``names``: the backbones of the whole figure, so that each looks the same in every panel.
    """
    colours = backbone_colours(names)
    for i, name in enumerate(names):
        values = part[part["backbone"] == name][["strength", column]].dropna()
        if values.empty:
            continue
        values = values.assign(shown=values[column] * scale)
        look = {"color": colours[name], "marker": MARKERS[i % len(MARKERS)]}
        ax.plot(values["strength"], values["shown"], linestyle="", markersize=3.5, markerfacecolor="none", **look)
        by_strength = values.groupby("strength")["shown"]
        mean, sd = by_strength.mean(), by_strength.std(ddof=1)
        line = LINESTYLES[i % len(LINESTYLES)]
        ax.plot(mean.index, mean, color=colours[name], linestyle=line)
        ax.plot([], [], linestyle=line, markersize=3.5, markerfacecolor="none", label=name, **look)
        if by_strength.count().min() >= 5:
            ax.fill_between(mean.index, mean - sd, mean + sd, color=colours[name], alpha=0.15, linewidth=0)


def strength_axis(ax: Axes, values: Sequence[float]) -> None:
    """A logarithmic λ axis with 0 at its left end behind a break; ticks are the strengths that were run."""
    from matplotlib.ticker import FixedLocator, NullLocator

    positive = [value for value in values if value > 0]
    ax.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
    low, high = ax.get_xaxis().get_transform().transform([0.0, max(positive)])
    pad = 0.06 * (high - low)
    ends = ax.get_xaxis().get_transform().inverted().transform([low - pad, high + pad])
    ax.set_xlim(float(ends[0]), float(ends[1]))
    shown = values if len(values) <= 6 else [*values[:1], *positive[:: -(-len(positive) // 5)]]
    ax.xaxis.set_major_locator(FixedLocator(list(shown)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"{value:g}" for value in shown])
    if 0 in values:
        half = ax.get_xaxis().get_transform().inverted().transform([low + 0.5 * (_first(ax, positive) - low)])[0]
        look: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "center", "zorder": 5}
        ax.text(float(half), 0.0, "//", fontsize=7, clip_on=False, **look)


def _first(ax: Axes, positive: Sequence[float]) -> float:
    return float(ax.get_xaxis().get_transform().transform([min(positive)])[0])


def legend(figure: Figure, handles: Sequence[Any], title: str = "") -> None:
    """One legend below the panels, where it covers no data."""
    labels = [handle.get_label() for handle in handles]
    figure.legend(
        handles=list(handles), labels=labels, loc="outside lower center", ncol=min(len(labels), 6), frameon=False,
        title=title or None, title_fontsize=7, handlelength=2.6,
    )  # fmt: skip


def strength_and_backbone_legend(figure: Figure, values: Sequence[float], names: Sequence[str]) -> None:
    """Colour is the strength; the line's style is the backbone, told only where there are several."""
    from matplotlib.lines import Line2D

    colours = strength_colours(values)
    handles = [Line2D([], [], color=colours[value], label=f"λ = {value:g}") for value in values]
    if len(names) > 1:
        handles += [
            Line2D([], [], color="0.2", linestyle=LINESTYLES[i % len(LINESTYLES)], label=name)
            for i, name in enumerate(names)
        ]
    legend(figure, handles)

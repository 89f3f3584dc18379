"""What the figures share: size, fonts, panels, lines that stay apart in grey, and a strength axis that shows 0."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from bench.report.labels import axis_label, telling

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from bench.report.results import ReportData

Item = TypeVar("Item")

PAGE_WIDTH = 7.0
"""Inches: two columns of a conference page, so 8 pt here is 8 pt in print."""
COLUMN_WIDTH = 3.3
"""Inches: what has one panel across fits one column, at the same size of type."""
LINESTYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
SEEDS_OF_INTERVALS = 3
"""With two, an interval is nine times as long as the seeds' deviation, and drawn it hides what was measured."""
ACROSS = 5
"""Panels side by side, at most."""
MOST_AXES = 60
"""Coordinate systems in a figure; more panels than these allow are left out, and that is said."""
MOST_STRENGTHS = 5
"""Where each strength is a line or a picture of its own."""
MOST_POINTS = 12
"""Strengths up to which every seed is a point of its own."""
MARKERS = ("o", "s", "^", "D", "v", "P")
COLOURS = ("#0072B2", "#E69F00", "#000000", "#009E73", "#56B4E9", "#D55E00", "#CC79A7")
"""Okabe and Ito's, without the yellow that is too pale on white; ordered so that neighbours differ in lightness."""
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


def width(across: int) -> float:
    """Inches of a figure with so many panels side by side."""
    return {1: COLUMN_WIDTH, 2: 5.2}.get(across, PAGE_WIDTH)


def short(text: str, most: int) -> str:
    """On one line, the middle left out where it is longer."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - most // 3 - 1]}…{text[-(most // 3) :]}"


def some(values: Sequence[Item], most: int) -> list[Item]:
    """At most so many of them, evenly spaced, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / max(most - 1, 1))] for i in range(most)]


def left_out(shown: int, there: int, what: str) -> list[str]:
    """What a figure says of what it does not show."""
    return [f"{shown} of {there} {what} shown"] if shown < there else []


def grid(rows: int, columns: int, *, row_height: float, share: str = "row") -> tuple[Figure, np.ndarray]:
    """A figure without global state, as wide as its columns need, and its axes (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width(columns), 0.5 + row_height * rows))
    sharey: Any = share
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=sharey)


def panel_grid(
    quantities: Sequence[str], titles: Sequence[str], *, row_height: float, xlabel: str
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes (quantities, panels): a row a quantity, a column a panel.

    More panels than ``ACROSS`` go on below, in blocks of rows. A quantity has one scale in all panels.
    """
    import numpy as np
    from matplotlib.figure import Figure

    titles = ["\n".join(textwrap.fill(short(line, 50), 26) for line in title.split("\n")[:4]) for title in titles]
    blocks, across = -(-len(titles) // ACROSS), min(len(titles), ACROSS)
    heading = 0.13 * max(title.count("\n") for title in titles)
    size = width(across), 0.6 + blocks * (row_height * len(quantities) + heading)
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


def backbone_colours(names: Sequence[str]) -> dict[str, str]:
    """One colour a backbone from a palette made for colour-blind readers."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


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
    shown = telling(data.frame, keys)
    found = []
    for values, part in data.done.groupby(keys, sort=False):
        needed = data.done["cell"].isin(part["baseline"]) & ~data.done["run"].isin(part["run"])
        named = [
            f"{axis_label(key)} {value}" for key, value in list(zip(keys, values, strict=True))[1:] if key in shown
        ]
        found.append(("\n".join([str(values[0]), *named]), pd.concat([data.done[needed], part])))
    return found


def strength_axis(ax: Axes, values: Sequence[float]) -> None:
    """A logarithmic λ axis with 0 at its left end behind a break; ticks are the strengths that were run."""
    from matplotlib.ticker import FixedLocator, NullLocator

    positive = [value for value in values if value > 0]
    ax.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
    low, high = ax.get_xaxis().get_transform().transform([0.0, max(positive)])
    pad = 0.06 * (high - low)
    ends = ax.get_xaxis().get_transform().inverted().transform([low - pad, high + pad])
    ax.set_xlim(float(ends[0]), float(ends[1]))
    shown = values if len(values) <= 6 else [*values[: values[0] == 0], *_round(positive)]
    ax.xaxis.set_major_locator(FixedLocator(list(shown)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"{value:.3g}" for value in shown])
    if 0 in values:
        half = ax.get_xaxis().get_transform().inverted().transform([low + 0.5 * (_first(ax, positive) - low)])[0]
        look: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "center", "zorder": 5}
        ax.text(float(half), 0.0, "//", fontsize=7, clip_on=False, **look)


def _round(positive: Sequence[float]) -> list[float]:
    """A few ticks for many strengths: powers of ten, or where these are too few, some of the strengths."""
    first, last = math.ceil(math.log10(min(positive)) - 1e-9), math.floor(math.log10(max(positive)) + 1e-9)
    decades = [10.0**power for power in range(first, last + 1)]
    return decades[:: -(-len(decades) // 4)] if len(decades) > 2 else some(positive, 4)


def _first(ax: Axes, positive: Sequence[float]) -> float:
    return float(ax.get_xaxis().get_transform().transform([min(positive)])[0])


def log_axis(axis: Axis) -> None:
    """Logarithmic, with decades written as tables write rates (1e-3), and no others."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(numticks=7))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if value >= 0.01 else f"1e{math.log10(value):.0f}")
    )
    axis.set_minor_locator(NullLocator())  # minor ticks take most of the time of drawing a curve


def folded(text: str, figure: Figure) -> str:
    """On as many lines as text of 7 pt takes at the figure's width."""
    return textwrap.fill(text, int(figure.get_figwidth() * 72 / 4.1))


def legend(figure: Figure, handles: Sequence[Any], title: str = "") -> None:
    """One legend below the panels, where it covers no data; ``title``: what it says above, such as what is left out."""
    labels = [short(str(handle.get_label()), 40) for handle in handles]
    across = 2 if figure.get_figwidth() < 4 else 4 if figure.get_figwidth() < PAGE_WIDTH else 6
    longest = max(map(len, labels), default=0)
    fits = max(1, int(figure.get_figwidth() * 72 / (34 + 3.9 * longest)))
    figure.legend(
        handles=list(handles), labels=labels, loc="outside lower center", ncol=max(1, min(len(labels), across, fits)),
        frameon=False, title=folded(title, figure) or None, title_fontsize=7, handlelength=2.6, columnspacing=1.2,
    )  # fmt: skip


def strength_and_backbone_legend(
    figure: Figure, values: Sequence[float], names: Sequence[str], title: str = ""
) -> None:
    """Colour is the strength; the line's style is the backbone, told only where there are several."""
    legend(figure, strength_and_backbone_handles(values, names), title)


def strength_and_backbone_handles(values: Sequence[float], names: Sequence[str]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    colours = strength_colours(values)
    handles = [Line2D([], [], color=colours[value], label=f"λ = {value:g}") for value in values]
    if len(names) > 1:
        handles += [
            Line2D([], [], color="0.2", linestyle=LINESTYLES[i % len(LINESTYLES)], label=name)
            for i, name in enumerate(names)
        ]
    return handles

"""A toy with two dimensions: raw embeddings of made-up identities as rays, and as points on the circle round them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot, _toys

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

RING = 1.35


@FIGURES.register(
    "toy_embedding_2d",
    summary="A toy, not the suite's data: eight made-up identities, embeddings of two dimensions, without the term and "
    "with it at the largest λ. Lines are class centres; inside raw embeddings, on the ring their directions",
    source="this project's own toy; the picture after Wen et al., ECCV 2016, and Liu et al., CVPR 2017",
    reads=("toys",),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """None where no toy is trained: `bench report --toy` does. With one tangent direction there is no isotropy."""
    from matplotlib.figure import Figure

    found, note = _toys.trained(results, 2)
    if not found:
        return None
    titles = list(dict.fromkeys(seen.title for seen in found))
    rows = max(sum(seen.title == title for seen in found) for title in titles)
    across = len(titles)
    figure = Figure(
        figsize=(max(3.4, min(_plot.PAGE_WIDTH, 2.35 * across)), 0.4 + rows * (min(2.35, 7 / across) + 0.15))
    )
    axes = figure.subplots(rows, across, squeeze=False)
    for ax in axes.flat:
        _toys.bare(ax, RING * 1.2)
    for at, title in enumerate(titles):
        for row, seen in enumerate(part for part in found if part.title == title):
            _panel(axes[row, at], seen)
            heading = textwrap.fill(title, 30, replace_whitespace=False) + "\n" if row == 0 else ""
            axes[row, at].set_title(f"{heading}λ = {seen.strength:g}, compactness {seen.shape['compactness_deg']:.1f}°")
    if note:
        figure.supxlabel(textwrap.fill(note, 110), fontsize=7)
    return _plot.Drawing(figure, _toys.table(found))


def _panel(ax: Axes, seen: _toys.Seen) -> None:
    import numpy as np

    turn = np.linspace(0, 2 * np.pi, 361)
    ax.plot(RING * np.cos(turn), RING * np.sin(turn), color="0.8", linewidth=0.7, zorder=1)
    inside = seen.raw / np.quantile(np.linalg.norm(seen.raw, axis=1), 0.99)
    for who, centre in enumerate(seen.centres):
        colour, mine = _toys.COLOURS[who % len(_toys.COLOURS)], seen.labels == who
        ax.plot([0, RING * centre[0]], [0, RING * centre[1]], color="0.55", linewidth=0.6, zorder=2)
        ax.plot(*inside[mine].T, "o", color=colour, markersize=2, alpha=0.6, markeredgewidth=0, zorder=3)
        ends = seen.unit[mine]
        ax.plot(*(RING * ends).T, "o", color=colour, markersize=3, alpha=0.5, markeredgewidth=0, zorder=4)
        _toys.number_at(ax, RING * 1.12 * centre[0], RING * 1.12 * centre[1], who)
    ax.plot(0, 0, "+", color="0.4", markersize=5, zorder=2)

"""A toy with three dimensions: directions of made-up identities on the unit sphere, seen from two sides."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures import _plot, _toys

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from bench.report.results import ReportData


@FIGURES.register(
    "toy_embedding_3d",
    summary="A toy, not the suite's data: eight made-up identities on the unit sphere, from its two sides, without the "
    "term and with it at the largest λ. Ratio: of a class's scatter along its two tangent directions, smaller over "
    "larger, and in brackets what isotropic classes of as many samples read",
    source="this project's own toy",
    reads=("toys",),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """None where no toy is trained: `bench report --toy` does."""
    from matplotlib.figure import Figure

    found, note = _toys.trained(results, 3)
    if not found:
        return None
    titles = list(dict.fromkeys(seen.title for seen in found))
    beside = max(sum(seen.title == title for seen in found) for title in titles)
    each = _plot.PAGE_WIDTH / 4
    figure = Figure(figsize=(2 * beside * each, 0.3 + len(titles) * (each + 0.4)))
    parts = figure.subfigures(len(titles), beside, squeeze=False)
    for row, title in enumerate(titles):
        for at, seen in enumerate(part for part in found if part.title == title):
            part = parts[row, at]
            for ax, side in zip(part.subplots(1, 2), (1, -1), strict=True):
                _toys.bare(ax, 1.08)
                _side(ax, seen, side)
            part.suptitle(_heading(seen), fontsize=8)
    if note:
        figure.supxlabel(textwrap.fill(note, 110), fontsize=7)
    return _plot.Drawing(figure, _toys.table(found))


def _heading(seen: _toys.Seen) -> str:
    title = textwrap.shorten(seen.title.replace("\n", " · "), 40, placeholder="…")
    shape = seen.shape
    told = f"compactness {shape['compactness_deg']:.1f}°, ratio {shape['ratio']:.2f} ({shape['ratio_null']:.2f})"
    return f"{title}, λ = {seen.strength:g}\n{told}"


def _side(ax: Axes, seen: _toys.Seen, side: int) -> None:
    """The half of the sphere towards +z or −z, as seen from there without perspective."""
    import numpy as np

    turn = np.linspace(0, 2 * np.pi, 361)
    ax.fill(np.cos(turn), np.sin(turn), facecolor="0.975", edgecolor="0.6", linewidth=0.7, zorder=1)
    for height in np.radians((30, 60)):
        ax.plot(np.cos(height) * np.cos(turn), np.cos(height) * np.sin(turn), color="0.9", linewidth=0.5, zorder=1)
    for along in np.radians((0, 45, 90, 135)):
        ax.plot([-np.cos(along), np.cos(along)], [-np.sin(along), np.sin(along)], color="0.9", linewidth=0.5, zorder=1)
    for who, centre in enumerate(seen.centres):
        colour, mine = _toys.COLOURS[who % len(_toys.COLOURS)], seen.unit[seen.labels == who]
        ax.plot(*_flat(mine[mine[:, 2] * side > 0], side), "o", color=colour, markersize=2, alpha=0.6,
                markeredgewidth=0, zorder=3)  # fmt: skip
        if centre[2] * side > 0:
            x, y = _flat(centre[None], side)
            ax.plot(x, y, "x", color="0.1", markersize=4, markeredgewidth=0.9, zorder=5)
            _toys.number_at(ax, float(x[0]) + 0.1, float(y[0]) + 0.1, who)


def _flat(points: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    return side * points[:, 0], points[:, 1]

"""The pull on the target angle of the suite's margins as configured, at the suite's strengths, from the losses."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.errors import BenchError
from bench.records import canonical
from bench.report.figures import _cells, _plot
from bench.report.losses import installed, planned_losses

if TYPE_CHECKING:
    import pandas as pd

    from bench.report.results import ReportData

MOST, MOST_STRENGTHS = 8, 4


@FIGURES.register(
    "pull_over_angle",
    summary="Pull on the target angle by the losses as configured, among 50 random unit centres of 16 dimensions at "
    "‖x‖ = 20: mean over directions, and a band from their 5th to their 95th percentile",
    source="this project",
    reads=(),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """None where nothing is trained yet or no margin can be computed here. Computed, not measured."""
    import pandas as pd

    if results.done.empty:
        return None

    every = planned_losses(results.plan)
    parts, lacking = [], []
    for loss in every[:MOST]:
        try:
            installed(loss)
            shown = tuple(_cells.thinned(loss.strengths, MOST_STRENGTHS))
            parts.append(pull(canonical([loss.margin, loss.term]), shown).assign(panel=loss.title))
        except BenchError as error:
            lacking.append(f"{loss.title} ({str(error).splitlines()[0]})".replace("\n", " · "))
    if not parts:
        return None
    table = pd.concat(parts, ignore_index=True)
    titles, strengths = list(dict.fromkeys(table["panel"])), sorted(set(table["strength"]))
    figure, axes = _cells.wrapped(
        titles, row_height=1.7, xlabel="angle to the own centre θ (°)", ylabel="pull ∂L/∂θ", sharey=False
    )
    colours = _plot.strength_colours(strengths)
    for title, ax in zip(titles, axes, strict=True):
        for strength, curve in reversed(list(table[table["panel"] == title].groupby("strength"))):
            look: dict[str, Any] = {"color": colours[strength]}
            line = _plot.LINESTYLES[strengths.index(strength) % len(_plot.LINESTYLES)]
            ax.plot(curve["angle_deg"], curve["pull"], linestyle=line, **look)
            ax.fill_between(curve["angle_deg"], curve["low"], curve["high"], alpha=0.16, linewidth=0, **look)
        ax.set(xlim=(0, 180), xticks=range(0, 181, 45), ylim=(min(0, ax.get_ylim()[0]), None))
    not_drawn = "not drawn: " + ", ".join(lacking) if lacking else ""
    note = _cells.joined(_cells.first_of(MOST, len(every), "losses"), not_drawn)
    _plot.legend(figure, _handles(strengths), title=note)
    return _plot.Drawing(figure, table[["panel", "strength", "angle_deg", "pull", "low", "high"]])


@functools.cache
def pull(loss: str, strengths: tuple[float, ...]) -> pd.DataFrame:
    """Columns strength, angle_deg, pull, low and high of ``[margin, enhancement or None]`` as canonical JSON.

    Raises BenchError for a loss that cannot be made.
    """
    import pandas as pd

    from bench.report.margin_pages.picture import ANGLES, every_direction, over_directions
    from bench.report.margin_pages.situation import look, prepared

    margin, term = json.loads(loss)
    head = prepared(margin, None if term is None else {**term, "strength": 1.0})
    parts = []
    for strength in strengths:
        mean, low, high = over_directions(look(head, every_direction(), strength).pull)
        columns = {"angle_deg": ANGLES.numpy(), "pull": mean.numpy(), "low": low.numpy(), "high": high.numpy()}
        parts.append(pd.DataFrame({"strength": strength, **columns}))
    return pd.concat(parts, ignore_index=True)


def _handles(strengths: list[float]) -> list[Any]:
    from matplotlib.lines import Line2D

    colours = _plot.strength_colours(strengths)
    return [
        Line2D([], [], color=colours[strength], linestyle=_plot.LINESTYLES[i % 4], label=f"λ = {strength:g}")
        for i, strength in enumerate(strengths)
    ]

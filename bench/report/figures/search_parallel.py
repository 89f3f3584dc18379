"""Every complete trial as a line through its parameters to its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures._plot import Drawing
from bench.report.figures._search import (
    SOURCE,
    compared,
    complete,
    drawing,
    shades,
    title,
    value_of,
)  # fmt: skip

if TYPE_CHECKING:
    from bench.report.results import ReportData

JITTER = 0.03


@FIGURES.register(
    "search_parallel",
    summary="Search: every complete trial as a line through its parameters; darker is better, the best is thick",
    source=SOURCE,
)
def draw(results: ReportData) -> Drawing | None:
    import numpy as np
    from matplotlib.figure import Figure

    record = results.search
    if record is None or (found := compared(record)) is None:
        return None
    parameters, objective, shown = found
    colours = shades(record, objective)
    figure = Figure(figsize=(7.0, 0.5 + 2.3 * len(shown)))
    axes = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for ax, study in zip(axes, shown, strict=True):
        for trial in complete(study, objective):
            value = value_of(trial, objective) or 0.0
            spread = JITTER * (2 * (trial["number"] * 0.618034 % 1) - 1)
            line = [
                np.nan if name not in trial["params"]
                else scale.unit(trial["params"][name]) + (spread if scale.choices is not None else 0)
                for name, scale in parameters.items()
            ]  # fmt: skip
            best = trial["number"] in study["best"]
            colour = colours.to_rgba(np.array([value]))[0]
            ax.plot(line, color=colour, linewidth=2.4 if best else 0.8, alpha=1 if best else 0.75,
                    marker="o", markersize=4 if best else 2, zorder=4 if best else 2)  # fmt: skip
        for at, scale in enumerate(parameters.values()):
            ax.axvline(at, color="0.3", linewidth=0.8, zorder=1)
            low, high = scale.ends
            for place, text in zip(*scale.ticks(), strict=True):
                height = (place - low) / (high - low) if high > low else 0.5
                ax.annotate(text, (at, height), (-3, 0), textcoords="offset points", ha="right", va="center",
                            fontsize=7, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8},
                            zorder=6)  # fmt: skip
        ax.set_xticks(range(len(parameters)), [scale.label for scale in parameters.values()])
        ax.set_xlim(-0.45, len(parameters) - 1 + 0.1)
        ax.set_ylim(-0.06, 1.06)
        ax.set_yticks([])
        ax.grid(visible=False)
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.set_title(title(record, study))
    figure.colorbar(colours, ax=list(axes), label=objective.label, pad=0.01, aspect=28)
    return drawing(figure, record)

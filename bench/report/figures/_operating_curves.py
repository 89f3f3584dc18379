"""Error rates over all thresholds, from stored scores: rows of protocols, columns of margins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.report.figures import _plot
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.report.results import ReportData


def operating_curves(
    data: ReportData, draw: Callable[[Axes, np.ndarray, np.ndarray, dict[str, object]], None], label: str
) -> Figure | None:
    """Calls ``draw(ax, far, tar, look)`` with the mean over seeds of the TAR at each FAR that the impostors resolve."""
    panels = _plot.panels(data)
    curves = {
        (protocol, title): _curves(data, part, protocol)
        for protocol in data.plan["protocols"]
        for title, part in panels
    }
    protocols = [p for p in data.plan["protocols"] if any(curves[p, title] for title, _ in panels)]
    if not protocols:
        return None
    values, names = _plot.strengths(data.done), _plot.backbones(data.done)
    colours = _plot.strength_colours(values)
    quantities = [f"{protocol_label(protocol)}\n{label}" for protocol in protocols]
    figure, axes = _plot.panel_grid(
        quantities, [title for title, _ in panels], row_height=1.6, xlabel="false-accept rate"
    )  # fmt: skip
    for row, protocol in enumerate(protocols):
        for at, (title, _) in enumerate(panels):
            ax = axes[row, at]
            for (name, strength), (far, tar) in curves[protocol, title].items():
                line = _plot.LINESTYLES[names.index(name) % len(_plot.LINESTYLES)]
                draw(ax, far, tar, {"color": colours[strength], "linestyle": line, "linewidth": 1.1})
            ax.set_xscale("log")
    _plot.strength_and_backbone_legend(figure, values, names)
    return figure


def _curves(
    data: ReportData, part: pd.DataFrame, protocol: str
) -> dict[tuple[str, float], tuple[np.ndarray, np.ndarray]]:
    import numpy as np

    found = {}
    for name, strength, runs in _plot.by_backbone_and_strength(part):
        rates = []
        for run, evaluation in data.evaluations(runs, protocol):
            arrays = data.store.evaluation_arrays(run, evaluation)
            rates.append(accept_rates(arrays["scores"], arrays["same"].astype(bool)))
        if rates:
            found[name, strength] = (rates[0][0], np.mean([tar for _, tar in rates], axis=0))
    return found


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

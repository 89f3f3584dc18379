"""DET curves: both error rates on logarithmic axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures._operating_curves import operating_curves

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.report.results import ReportData


@FIGURES.register(
    "det",
    summary="DET: false-reject rate against false-accept rate, both logarithmic, mean over seeds; lower is better",
    source="this project",
)
def draw(results: ReportData) -> Figure | None:
    return operating_curves(results, _curve, "false-reject rate (%)")


def _curve(ax: Axes, far: np.ndarray, tar: np.ndarray, look: dict[str, Any]) -> None:
    rejected = 100 * (1 - tar)
    ax.set_yscale("log")
    ax.plot(far[rejected > 0], rejected[rejected > 0], **look)

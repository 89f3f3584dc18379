"""ROC curves with a logarithmic false-accept axis."""

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
    "roc",
    summary="ROC: true-accept rate against false-accept rate (log), mean over seeds, down to one impostor pair",
    source="this project",
)
def draw(results: ReportData) -> Figure | None:
    return operating_curves(results, _curve, "true-accept rate (%)")


def _curve(ax: Axes, far: np.ndarray, tar: np.ndarray, look: dict[str, Any]) -> None:
    ax.plot(far, 100 * tar, **look)

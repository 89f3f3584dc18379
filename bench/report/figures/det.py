"""DET curves: both error rates on logarithmic axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures._operating_curves import operating_curves

if TYPE_CHECKING:
    from bench.report.figures._plot import Drawing
    from bench.report.results import ReportData


@FIGURES.register(
    "det",
    summary="DET: false-reject rate against false-accept rate, both logarithmic, mean over seeds; lower is better",
    source="this project",
    reads=("evaluations",),
)
def draw(results: ReportData) -> Drawing | None:
    return operating_curves(results, "frr")

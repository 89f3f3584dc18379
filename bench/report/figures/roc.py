"""ROC curves with a logarithmic false-accept axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures._operating_curves import operating_curves

if TYPE_CHECKING:
    from bench.report.figures._plot import Drawing
    from bench.report.results import ReportData


@FIGURES.register(
    "roc",
    summary="ROC: true-accept rate against false-accept rate (log), mean over seeds, down to one impostor pair",
    source="this project",
    reads=("evaluations",),
)
def draw(results: ReportData) -> Drawing | None:
    return operating_curves(results, "tar")

"""Accuracy against the enhancement strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures._against_strength import against_strength

if TYPE_CHECKING:
    from bench.report.figures._plot import Drawing
    from bench.report.results import ReportData


@FIGURES.register(
    "accuracy_against_strength",
    summary="Accuracy against strength λ: seeds as points, their mean with its 95 % interval from 3 seeds",
    source="this project",
    reads=("*.accuracy",),
)
def draw(results: ReportData) -> Drawing | None:
    return against_strength(results, [f"{protocol}.accuracy" for protocol in results.plan["protocols"]])

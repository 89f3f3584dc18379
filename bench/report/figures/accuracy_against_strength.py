"""Accuracy against the enhancement strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures._against_strength import against_strength

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.report.results import ReportData


@FIGURES.register(
    "accuracy_against_strength",
    summary="Accuracy against strength λ: every seed a point, the mean a line, a band (± sd) from 5 seeds",
    source="this project",
)
def draw(results: ReportData) -> Figure | None:
    return against_strength(results, [f"{protocol}.accuracy" for protocol in results.plan["protocols"]])

"""True-accept rate at low false-accept rates against the enhancement strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures._against_strength import against_strength

if TYPE_CHECKING:
    from bench.report.figures._plot import Drawing
    from bench.report.results import ReportData


@FIGURES.register(
    "tar_against_strength",
    summary="True-accept rate at the suite's false-accept rates against strength λ; 95 % intervals from 3 seeds",
    source="this project",
    reads=("*.tar_at_far_*",),
)
def draw(results: ReportData) -> Drawing | None:
    names = [name for name in results.plan["report"]["metrics"] if name.startswith("tar_at_far_")]
    return against_strength(results, [f"{p}.{name}" for p in results.plan["protocols"] for name in names])

"""Isotropy and compactness of the classes against the enhancement strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures._against_strength import against_strength

if TYPE_CHECKING:
    from bench.report.figures._plot import Drawing
    from bench.report.results import ReportData


@FIGURES.register(
    "geometry_against_strength",
    summary="Isotropy and compactness against strength λ, training and first protocol; 95 % intervals from 3 seeds",
    source="this project; the claim measured is arXiv 2107.03352's",
    reads=("*.isotropy", "*.compactness_deg"),
)
def draw(results: ReportData) -> Drawing | None:
    where = dict.fromkeys(["train", *results.plan["protocols"][:1]])
    return against_strength(results, [f"{p}.{name}" for name in ("isotropy", "compactness_deg") for p in where])

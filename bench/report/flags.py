"""Accuracies that say little: near what guessing gives, or so near 100 % that single pairs decide."""

from __future__ import annotations

from typing import Literal

from bench.report.cells import cell_runs
from bench.report.effects import METRIC, readings
from bench.report.results import ReportData

Flag = Literal["", "†", "‡"]
NEAR_CEILING: Flag = "†"
NEAR_CHANCE: Flag = "‡"
CHANCE_LEVEL = 0.05
CEILING, CEILING_ERRORS = 0.95, 10
RULES: dict[Flag, str] = {
    NEAR_CHANCE: "‡ near chance: so many right pairs, or more, have a probability above 5 % (exact binomial) where "
    "each pair is guessed as the more frequent kind of pair is; the mean over seeds is taken.",
    NEAR_CEILING: f"† near ceiling: an accuracy of {CEILING:.0%} or more with fewer than {CEILING_ERRORS} wrong pairs, "
    "mean over seeds: single pairs decide what is best.",
}


def flag(accuracy: float, pairs: int, genuine: int) -> Flag:
    """Of a mean accuracy (a share) on a protocol of so many pairs; none where their number is not known."""
    from scipy.special import bdtrc

    if not pairs:
        return ""
    if accuracy >= CEILING and (1 - accuracy) * pairs < CEILING_ERRORS:
        return NEAR_CEILING
    right = round(accuracy * pairs)
    guessed = max(genuine, pairs - genuine) / pairs
    at_least = float(bdtrc(right - 1, pairs, guessed)) if right > 0 else 1.0
    return NEAR_CHANCE if at_least > CHANCE_LEVEL else ""


def flag_of(data: ReportData, cell: str, protocol: str, metric: str) -> Flag:
    """The flag of a table's entry; only accuracy has any."""
    if metric != METRIC:
        return ""
    found = [
        reading
        for run in cell_runs(data)[cell].runs.values()
        if (reading := readings(data).of(run, protocol)) is not None
    ]
    values = [value for reading in found if (value := reading.metrics.get(METRIC)) is not None]
    return flag(sum(values) / len(values), found[0].pairs, found[0].genuine) if values else ""

"""Intervals for rates at a conservative threshold, by drawing people with replacement; see `bootstrap` for pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from bench.errors import DataError
from bench.evaluation.bootstrap import Interval, percentile_interval
from bench.evaluation.pairs import Int
from bench.evaluation.resampling import draw_people


def people_intervals(
    rates_of: Callable[[Int], Sequence[float]],
    names: Sequence[str],
    people: int,
    *,
    replicates: int,
    seed: int,
    level: float,
) -> dict[str, Interval]:
    """Percentile interval of every named rate; see ``Interval`` for what has no value.

    ``rates_of``: how often each person counts, (people,) int64 → the rates by name; NaN: no value. Each of the
    ``replicates`` draws as many people as there are. Raises DataError for none, or a level outside (0, 1).
    """
    if replicates < 1 or not 0 < level < 1:
        raise DataError(
            f"a bootstrap needs replicates ≥ 1 and 0 < level < 1, found replicates={replicates} and level={level}"
        )
    estimates = np.array(rates_of(np.ones(people, np.int64)), np.float64)
    values = np.full((replicates, len(names)), np.nan)
    if not np.isnan(estimates).all():
        draw = np.random.default_rng(seed)
        for row in values:
            row[:] = rates_of(draw_people(draw, people, 1)[0])
    return {
        name: percentile_interval(None if np.isnan(estimate) else float(estimate), column, level, seed)
        for name, estimate, column in zip(names, estimates, values.T, strict=True)
    }


def rates_when_repeated(
    genuine: Int, genuine_total: int, ahead: Int, impostor: Int, impostor_total: int, rates: Sequence[Fraction]
) -> list[float]:
    """`verification.tar_at_far` at each rate where score i occurs as often as a weight says; NaN: no value.

    ``genuine`` (M,), ``impostor`` (L,): weights in falling order of score; ``ahead`` (L,): how many of the M genuine
    scores lie strictly above each impostor score. The totals are of all weights: scores below those listed may have
    been left out. There is no value where a rate allows no impostor (not measurable), where there is no genuine score,
    or where the threshold lies below the impostors listed.
    """
    passed = np.cumsum(impostor)
    accepted = np.concatenate([[0], np.cumsum(genuine)])
    found = []
    for rate in rates:
        allowed = int(rate * int(impostor_total))
        refused = int(np.searchsorted(passed, allowed, side="right"))
        measurable = allowed and genuine_total and refused < len(passed)
        found.append(int(accepted[ahead[refused]]) / int(genuine_total) if measurable else np.nan)
    return found

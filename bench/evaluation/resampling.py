"""Intervals for rates at a conservative threshold, by drawing people with replacement; see `bootstrap` for pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from bench.errors import DataError
from bench.evaluation.bootstrap import Interval
from bench.evaluation.verification import Int


def people_intervals(
    rates_of: Callable[[Int], Sequence[float]],
    names: Sequence[str],
    people: int,
    *,
    n: int,
    seed: int,
    level: float,
) -> dict[str, Interval | None]:
    """Percentile interval of every named rate; None where the estimate or every replicate has no value.

    ``rates_of``: how often each person counts, (people,) int64 → the rates by name; NaN: no value. Each of ``n``
    replicates draws as many people as there are. Raises DataError for n < 1 or a level outside (0, 1).
    """
    if n < 1 or not 0 < level < 1:
        raise DataError(f"a bootstrap needs n ≥ 1 and 0 < level < 1, found n={n} and level={level}")
    estimates = rates_of(np.ones(people, np.int64))
    if np.isnan(estimates).all():
        return dict.fromkeys(names)
    draw, alike = np.random.default_rng(seed), np.full(people, 1 / people)
    replicates = np.array([rates_of(draw.multinomial(people, alike)) for _ in range(n)])
    found: dict[str, Interval | None] = {}
    for name, estimate, column in zip(names, estimates, replicates.T, strict=True):
        defined = column[~np.isnan(column)]
        if np.isnan(estimate) or not len(defined):
            found[name] = None
            continue
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
        found[name] = Interval(float(estimate), float(low), float(high), level, n, n - len(defined), seed)
    return found


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

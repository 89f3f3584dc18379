"""Bootstrap intervals that resample people, because the pairs of one person are not independent of each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.counts import NIST_2016, Counts, DetectionCost, thresholds_of
from bench.evaluation.folds import held_out, number_folds
from bench.evaluation.pairs import Direction, Float, Int, check_folds, check_pairs
from bench.evaluation.rates import Far, exact_rate, rate_text
from bench.evaluation.resampling import BLOCK, Sample, draw_people, number_people
from bench.evaluation.separation import d_primes
from bench.evaluation.verification import verify

_CELLS = 2**19
"""Counts (replicates × thresholds or pairs) at a time; they stay within a processor's cache, or hold one replicate."""
_NARROW = 2**31
"""Sums below this fit 32 bits, which are half the work."""


@dataclass(frozen=True)
class Interval:
    """``estimate`` on the pairs as they are, and the percentile interval [``low``, ``high``] of ``replicates``.

    ``undefined`` counts the replicates in which the metric has no value (no pair of a kind was drawn, far·N < 1, …);
    the interval is that of the others. ``estimate`` is None where the metric is not measurable on the protocol; then,
    and where no replicate has a value, ``low`` and ``high`` are None.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: float
    replicates: int
    undefined: int
    seed: int


def bootstrap_intervals(
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    people: npt.ArrayLike,
    folds: npt.ArrayLike | None,
    *,
    fars: Iterable[Far],
    cost: DetectionCost = NIST_2016,
    direction: Direction = "similarity",
    replicates: int = 1000,
    seed: int,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of every metric of `verify`, by its name, under resampling of people; see
    `bootstrap_replicates`. ``level`` in (0, 1). Spreads and thresholds have none; accuracy has none without folds.
    """
    if not 0 < level < 1:
        raise DataError(f"level must lie in (0, 1), found {level}")
    fars = list(fars)
    estimates = verify(scores, same, folds, fars=fars, cost=cost, direction=direction).metrics()
    found = bootstrap_replicates(
        scores, same, people, folds, fars=fars, cost=cost, direction=direction, replicates=replicates, seed=seed
    )
    return {name: percentile_interval(estimates[name], values, level, seed) for name, values in found.items()}


def bootstrap_replicates(
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    people: npt.ArrayLike,
    folds: npt.ArrayLike | None,
    *,
    fars: Iterable[Far],
    cost: DetectionCost = NIST_2016,
    direction: Direction = "similarity",
    replicates: int = 1000,
    seed: int,
) -> dict[str, Float]:
    """Each metric of `verify` in each replicate, (R,) by the metric's name, NaN where it has no value.

    A replicate draws as many people as there are, with replacement; with w_a the times that person a was drawn, a
    genuine pair of a counts w_a times and an impostor pair of a and b w_a·w_b times. Every metric is that of the pairs
    repeated so often, thresholds chosen anew; a pair keeps its fold, and folds without pairs leave the mean. What would
    be an error there (pairs of one kind only, training folds with one label) has no value here. The draws depend on
    ``seed`` and the number of people alone, so two models' scores of the same pairs can be compared replicate by
    replicate.

    Where people hardly recur among the impostor pairs the spread is too wide rather than too narrow: w_a·w_b has
    variance 3 where resampling independent pairs has 1 (such products are "mildly conservative": Owen and Eckles,
    Bootstrapping data arrays of arbitrary order, Annals of Applied Statistics 6, 2012).

    ``people``: (P, 2) integers, the identities of both sides; the other arguments as for `verify`. Raises DataError as
    that does, and where people and ``same`` disagree.

    Exact at any size: with J distinct genuine scores and F folds the time grows with R·(P + F·J), the memory with
    P + F·J.
    """
    if replicates < 1:
        raise DataError(f"a bootstrap needs at least 1 replicate, found {replicates}")
    values, genuine = check_pairs(scores, same, direction)
    index, count = number_people(people, genuine)
    rates = [exact_rate(far) for far in fars]
    order = np.argsort(-values)
    values, genuine, index = values[order], genuine[order], index[order]
    thresholds = thresholds_of(values[genuine])
    whole = Sample.of(values, genuine, index, thresholds)
    parts: list[Sample] = []
    if folds is not None:
        names, fold = number_folds(genuine, check_folds(folds, len(values))[order])
        for number in range(len(names)):
            held = fold == number
            parts.append(Sample.of(values[held], genuine[held], index[held], thresholds))
    draw = np.random.default_rng(seed)
    rows = max(1, _CELLS // max(len(thresholds), min(len(values), BLOCK)))
    found = [
        _metrics(whole, parts, draw_people(draw, count, min(rows, replicates - start)), rates, cost)
        for start in range(0, replicates, rows)
    ]
    return {name: np.concatenate([chunk[name] for chunk in found]) for name in found[0]}


def _metrics(
    whole: Sample, parts: Sequence[Sample], times: Int, rates: Iterable[Fraction], cost: DetectionCost
) -> dict[str, Float]:
    most = int(times.max()) ** 2 * (len(whole.genuine.scores) + len(whole.impostor.scores))
    times = times.astype(np.int32 if most < _NARROW else np.int64)
    counts, genuine, impostor = whole.weighed(times)
    found = {"accuracy": _accuracy(counts, parts, times)} if parts else {}
    found |= {
        "eer": counts.eer(),
        "auc": counts.auc(),
        "min_dcf": counts.min_dcf(cost),
        "d_prime": d_primes(genuine, impostor),
    }
    return found | {f"tar_at_far_{rate_text(rate)}": counts.tar(rate)[0] for rate in rates}


def _accuracy(total: Counts, parts: Sequence[Sample], times: Int) -> Float:
    """Mean over the folds that have pairs, (R,); NaN where one of these has training folds with one label."""
    sums, present = np.zeros(len(times)), np.zeros(len(times))
    for part in parts:
        held, *_ = part.weighed(times)
        filled = held.genuine + held.impostors > 0
        sums += np.where(filled, held_out(total, held)[0], 0)
        present += filled
    return np.where(present > 0, sums / np.maximum(present, 1), np.nan)


def percentile_interval(estimate: float | None, values: Float, level: float, seed: int) -> Interval:
    """The interval that holds the middle ``level`` of the replicates ``values`` (R,), of which NaN has no value."""
    defined = values[~np.isnan(values)]
    low = high = None
    if estimate is not None and len(defined):
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(estimate, low, high, level, len(values), len(values) - len(defined), seed)

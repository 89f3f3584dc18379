"""Bootstrap intervals that resample people, because the pairs of one person are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.verification import Bool, Float, Int, check_pairs, weighted_folds

WeightedMetric = Callable[[Float, Bool, Int], Float]
"""(scores (P,), same (P,), weights (R, P)) → the metric of each replicate, (R,); NaN where it has none."""

_CHUNK = 50
"""Replicates at a time: keeps the working arrays of 6,000 pairs within a few MB."""


@dataclass(frozen=True)
class Interval:
    """``estimate`` on the pairs as they are, and the percentile interval [``low``, ``high``] of ``replicates``.

    ``undefined`` counts the replicates in which the metric had no value (no pair was drawn); they are left out.
    """

    estimate: float
    low: float
    high: float
    level: float
    replicates: int
    undefined: int
    seed: int


def kfold_metric(folds: npt.ArrayLike) -> WeightedMetric:
    """Mean accuracy of `verification.kfold_accuracy`; ``folds``: (P,) integers, kept in every replicate.

    A replicate is scored as if each pair occurred as often as its weight says: thresholds are chosen again. A
    fold from which no pair was drawn is left out of that replicate's mean. Raises DataError for a single fold.
    """
    fold = np.asarray(folds)
    if len(np.unique(fold)) < 2:
        raise DataError("k-fold accuracy needs at least 2 folds, found fewer")

    def metric(scores: Float, same: Bool, weights: Int) -> Float:
        accuracy, _ = weighted_folds(*check_pairs(scores, same, fold), weights)
        known = ~np.isnan(accuracy)
        mean: Float = np.where(known, accuracy, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return np.where(known.any(axis=1), mean, np.nan)

    return metric


def bootstrap_interval(
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    people: npt.ArrayLike,
    metric: WeightedMetric,
    n: int = 1000,
    *,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of ``metric`` under resampling of people with replacement.

    Each replicate draws as many people as there are, with replacement; with w_a the times that person a was
    drawn, a genuine pair of a counts w_a times and an impostor pair of a and b w_a·w_b times.

    Where people hardly recur among the impostor pairs the interval is too wide rather than too narrow: w_a·w_b has
    variance 3 where resampling independent pairs has 1 (such products are "mildly conservative": Owen and Eckles,
    Bootstrapping data arrays of arbitrary order, Annals of Applied Statistics 6, 2012).

    ``scores``: (P,) finite; ``same``: (P,) bool; ``people``: (P, 2) integers, the identities of both sides.
    ``n`` replicates, ``level`` in (0, 1). The same arguments give the same bits. Raises DataError where these
    disagree, or where no replicate has a value.
    """
    who = np.asarray(people)
    if who.ndim != 2 or who.shape[1] != 2 or not np.issubdtype(who.dtype, np.integer):
        raise DataError(f"people must be (P, 2) integers, found {who.shape} {who.dtype}")
    values, genuine, _ = check_pairs(scores, same, who[:, 0])
    wrong = np.flatnonzero((who[:, 0] == who[:, 1]) != genuine)
    if len(wrong):
        raise DataError(
            f"pair {wrong[0]} is marked {'genuine' if genuine[wrong[0]] else 'impostor'} but its people say otherwise"
        )
    if n < 1 or not 0 < level < 1:
        raise DataError(f"a bootstrap needs n ≥ 1 and 0 < level < 1, found n={n} and level={level}")

    names, index = np.unique(who, return_inverse=True)
    first, second = index.reshape(who.shape).T
    draw = np.random.default_rng(seed)
    found = []
    for start in range(0, n, _CHUNK):
        times = draw.multinomial(len(names), np.full(len(names), 1 / len(names)), size=min(_CHUNK, n - start))
        weights = np.where(genuine, times[:, first], times[:, first] * times[:, second])
        found.append(metric(values, genuine, weights))
    replicates = np.concatenate(found)
    defined = replicates[~np.isnan(replicates)]
    estimate = metric(values, genuine, np.ones((1, len(values)), dtype=np.int64))[0]
    if not len(defined) or np.isnan(estimate):
        raise DataError(
            f"the metric has no value in any of the {n} replicates of {len(names)} people and {len(values)} pairs"
        )
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(estimate), float(low), float(high), level, n, n - len(defined), seed)

"""Two rows under resampling of the test set's people: both rows see the same replicates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.catalog.metrics import metric as described
from bench.errors import DataError, unknown_name
from bench.evaluation.bootstrap import bootstrap_replicates
from bench.evaluation.paired import Comparison, PairedScores, check_level
from bench.evaluation.pairs import Float, Int
from bench.evaluation.rates import exact_rate, rate_text
from bench.evaluation.verification import verify

METRICS = ("accuracy", "eer", "auc", "min_dcf", "d_prime")
"""What rows can be compared by, beside ``tar_at_far_<rate>``: the metrics of `verify` that have replicates."""

_TAR = "tar_at_far_"

_FURTHEST = 20.0
"""The normal quantile at which the search for p stops: no p is given below 5e-89."""


def bootstrap_people(
    rows: PairedScores, metric: str = "accuracy", *, n: int = 1000, seed: int = 0, level: float = 0.95
) -> Comparison:
    """Percentile interval of the mean over seeds of metric(A) − metric(B), for these very networks.

    ``metric``: one of `METRICS` or ``tar_at_far_<rate>``, spelled as `verify` names it. Both rows and all seeds see
    the same draws of people, those of `bootstrap_replicates`, in which every threshold is chosen anew. It holds the
    noise of the test set and none of training. p is where the interval would touch 0, with the +1 of Monte Carlo, so
    never below 2 / (n + 1). Raises DataError for another name, and where the metric has no value.
    """
    effects = _effects(rows, metric)
    replicates, undefined = _replicates(rows, metric, n, seed, level)
    return people_interval(effects, replicates, metric, level=level, counts=_counts(rows, n, undefined))


def bootstrap_seeds_and_people(
    rows: PairedScores, metric: str = "accuracy", *, n: int = 400, seed: int = 0, level: float = 0.95
) -> Comparison:
    """Interval of the expected metric(A) − metric(B) over new seeds *and* new people: what a table should show.

    With d_s the difference of seed s and d its mean, half² = t²·V_seeds + z²·max(0, V_people − V_both):

    - V_seeds: variance of d when seeds are drawn anew, Σ (d_s − d)² / (S (S − 1)). Resampling a mean has this closed
      form, so no seeds are drawn; t, Student's quantile with S − 1 degrees of freedom, pays for S being small;
    - V_people: variance of d when people are drawn anew, from the replicates of `bootstrap_people`; z is normal;
    - V_both: each seed's own response to the people drawn, which stands in both: from the replicates, the variance
      of d_s about what all seeds share, over S.

    Half-widths of independent errors add in squares (Zou and Donner, Statistics in Medicine 27, 2008). The interval
    is never narrower than the paired t interval over seeds, whose normality it shares, nor than z·√V_people, that of
    these networks alone; with two seeds t is 12.7 and little can be shown. p is where the interval would touch 0.
    Needs S ≥ 2; raises DataError otherwise and as `bootstrap_people` does.
    """
    if rows.seeds < 2:
        raise DataError("training noise needs at least 2 seeds, found 1; bootstrap_people compares single networks")
    effects = _effects(rows, metric)
    replicates, undefined = _replicates(rows, metric, n, seed, level)
    return seeds_and_people_interval(effects, replicates, metric, level=level, counts=_counts(rows, n, undefined))


def people_interval(
    effects: Float, replicates: Float, metric: str, *, level: float, counts: Mapping[str, int]
) -> Comparison:
    """What `bootstrap_people` says of differences (S,) and of their replicates (R, S), R ≥ 2, all finite, in shares."""
    means = replicates.mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    beyond = 1 + min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))
    return Comparison(
        "paired bootstrap over people",
        float(effects.mean()),
        float(means.std(ddof=1)),
        float(low),
        float(high),
        level,
        min(1.0, 2 * beyond / (1 + len(means))),
        counts,
        unit_of(metric),
    )


def seeds_and_people_interval(
    effects: Float, replicates: Float, metric: str, *, level: float, counts: Mapping[str, int]
) -> Comparison:
    """What `bootstrap_seeds_and_people` says of differences (S,), S ≥ 2, and of their replicates (R, S), R ≥ 2."""
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri, stdtrit

    seeds = len(effects)
    of_people = replicates.mean(axis=1).var(ddof=1)
    of_both = (replicates.var(axis=0, ddof=1).mean() - of_people) / (seeds - 1)
    of_seeds = effects.var(ddof=1) / seeds
    rest = max(0.0, of_people - max(0.0, of_both))

    def half(z: float) -> float:
        """Half the interval's width at the level where the normal quantile is z."""
        both_sources = stdtrit(seeds - 1, ndtr(-z)) ** 2 * of_seeds + z**2 * rest
        return float(np.sqrt(max(both_sources, z**2 * of_people)))

    effect, at_level = float(effects.mean()), half(ndtri((1 + level) / 2))
    se = float(np.sqrt(max(of_seeds + rest, of_people)))
    known = se > 0 or effect == 0
    if effect == 0:
        z = 0.0
    elif se == 0 or half(_FURTHEST) < abs(effect):
        z = _FURTHEST
    else:
        z = brentq(lambda z: half(z) - abs(effect), 0, _FURTHEST)
    return Comparison(
        "seeds and people: Student's t over seeds with a paired bootstrap over people",
        effect,
        se,
        effect - at_level if known else None,
        effect + at_level if known else None,
        level,
        2 * float(ndtr(-z)) if known else None,
        counts,
        unit_of(metric),
    )


def _effects(rows: PairedScores, metric: str) -> Float:
    """metric(A) − metric(B) of every seed on the pairs as they are, (S,)."""
    folds, fars = needed(rows, metric)

    def value(scores: Float) -> float:
        found = verify(scores, rows.same, folds, fars=fars).metrics()[metric]
        if found is None:
            impostors = np.count_nonzero(~rows.same)
            raise DataError(f"{metric} cannot be measured on these {rows.pairs} pairs, of which {impostors} impostor")
        return found

    return np.array([value(a) - value(b) for a, b in zip(rows.a, rows.b, strict=True)])


def _replicates(rows: PairedScores, metric: str, n: int, seed: int, level: float) -> tuple[Float, int]:
    """metric(A) − metric(B) of every replicate and seed, (≤ n, S), and how many were left out for want of a value."""
    check_level(level)
    if n < 2:
        raise DataError(f"a bootstrap needs n ≥ 2 replicates, found {n}")
    folds, fars = needed(rows, metric)

    def values(scores: Float) -> Float:
        return bootstrap_replicates(scores, rows.same, rows.people, folds, fars=fars, replicates=n, seed=seed)[metric]

    replicates = np.stack([values(a) - values(b) for a, b in zip(rows.a, rows.b, strict=True)], axis=1)
    defined = replicates[~np.isnan(replicates).any(axis=1)]
    if len(defined) < 2:
        people = len(np.unique(rows.people))
        raise DataError(f"{metric} has a value in {len(defined)} of {n} replicates of {people} people only")
    return defined, n - len(defined)


def needed(rows: PairedScores, metric: str) -> tuple[Int | None, list[str]]:
    """The folds and false accept rates that the metric needs, nothing more; DataError for a name that is none."""
    rate = "1e-3"
    if metric.startswith(_TAR):
        rate = rate_text(exact_rate(metric.removeprefix(_TAR)))
        if metric == _TAR + rate:
            return None, [rate]
    if metric not in METRICS:
        raise DataError(unknown_name("metric", metric, [*METRICS, _TAR + rate]))
    if metric != "accuracy":
        return None, []
    if rows.folds is None:
        raise DataError("accuracy needs folds, found none; give them, or compare by another metric, such as 'auc'")
    return rows.folds, []


def unit_of(metric: str) -> str:
    found = described(metric)
    return "share" if found.share else found.unit


def _counts(rows: PairedScores, n: int, undefined: int) -> dict[str, int]:
    people = len(np.unique(rows.people))
    return {"seeds": rows.seeds, "people": people, "pairs": rows.pairs, "replicates": n, "undefined": undefined}

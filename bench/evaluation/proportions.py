"""Intervals of a share under independent trials, to compare with the bootstrap.

Pairs share people, so they are not independent: on pairs these intervals are too narrow.
"""

from __future__ import annotations

import math

from bench.errors import DataError


def wilson(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (JASA 22, 1927), without continuity correction. Raises DataError as `clopper_pearson`."""
    from scipy.special import ndtri

    _check(successes, trials, level)
    z = float(ndtri((1 + level) / 2))
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = math.sqrt(share * (1 - share) * weight + weight * weight / 4) / (1 + weight)
    # At the ends the bound is exact, the formula is not.
    return (0.0 if successes == 0 else middle - half), (1.0 if successes == trials else middle + half)


def clopper_pearson(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval (Biometrika 26, 1934), which covers at least ``level``.

    0 ≤ ``successes`` ≤ ``trials``, whole numbers, ``trials`` ≥ 1 and 0 < ``level`` < 1; DataError otherwise.
    """
    from scipy.special import betaincinv

    _check(successes, trials, level)
    tail, failures = (1 - level) / 2, trials - successes
    low = 0.0 if successes == 0 else float(betaincinv(successes, failures + 1, tail))
    high = 1.0 if failures == 0 else float(betaincinv(successes + 1, failures, 1 - tail))
    return low, high


def _check(successes: int, trials: int, level: float) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise DataError(f"needs 0 ≤ successes ≤ trials and trials ≥ 1, found {successes} of {trials}")
    if not 0 < level < 1:
        raise DataError(f"level must lie in (0, 1), found {level}")

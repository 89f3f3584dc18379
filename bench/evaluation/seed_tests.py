"""Two rows over seeds: is the mean of the seeds' differences 0? The test pairs are taken as they are.

With n seeds no two-sided sign-flip p lies below 2 / 2^n: .5, .25, .125, .063 for 2 to 5 seeds. Five seeds or fewer
can therefore never reach .05 by themselves, however large the effect.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.paired import Comparison, as_differences, check_level
from bench.evaluation.pairs import Float, Int

EXACT_SEEDS = 20
"""Up to here all 2^n subsets are enumerated: a million sums."""


def sign_flip(differences: npt.ArrayLike, *, draws: int = 99_999, seed: int = 0, level: float = 0.95) -> Comparison:
    """Sign-flip permutation test of the mean difference, exact if they are symmetric about it under the null.

    ``differences``: (S,) finite, A − B of each seed, in shares. Up to `EXACT_SEEDS` seeds all 2^S flips are counted;
    beyond, ``draws`` from ``seed``, and p is (1 + those at least as far from 0) / (1 + draws).

    The interval holds just the means that the test does not reject: with k = ⌊2^S (1 − level) / 2⌋, from the k-th
    smallest to the k-th largest mean of a subset of the differences (Hartigan, Using subsample values as typical
    values, JASA 64, 1969). Its ends are None where k = 0: at 95 % below six seeds.
    """
    check_level(level)
    values = as_differences(differences, least=1)
    if draws < 1:
        raise DataError(f"a sign-flip test needs at least 1 draw, found {draws}")
    exact = len(values) <= EXACT_SEEDS
    sums, sizes = _all_subsets(values) if exact else _some_subsets(values, draws, seed)
    # Sums that are equal but for the order of adding count as equal.
    slack = 1e-9 * float(np.abs(values).sum())
    as_far = int(np.count_nonzero(np.abs(values.sum() - 2 * sums) >= abs(values.sum()) - slack))
    means = np.sort(sums[sizes > 0] / sizes[sizes > 0])
    outside = int((len(means) + 1) * (1 - level) / 2 + 1e-9)
    return Comparison(
        "sign-flip permutation over seeds, " + ("exact" if exact else "Monte Carlo"),
        float(values.mean()),
        None,
        float(means[outside - 1]) if outside else None,
        float(means[-outside]) if outside else None,
        level,
        as_far / len(sums) if exact else (1 + as_far) / (1 + len(sums)),
        {"seeds": len(values), "flips": len(sums)},
    )


def _all_subsets(values: Float) -> tuple[Float, Int]:
    """Sums and sizes of the 2^S subsets."""
    sums, sizes = np.zeros(1), np.zeros(1, dtype=np.int64)
    for value in values:
        sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
    return sums, sizes


def _some_subsets(values: Float, draws: int, seed: int) -> tuple[Float, Int]:
    chosen = np.random.default_rng(seed).integers(0, 2, size=(draws, len(values)), dtype=np.int8)
    return chosen @ values, chosen.sum(axis=1, dtype=np.int64)


def bootstrap_seeds(differences: npt.ArrayLike, *, n: int = 10_000, seed: int = 0, level: float = 0.95) -> Comparison:
    """Paired bootstrap over seeds of the mean difference: expanded percentiles of ``n`` replicates.

    ``differences``: (S,) finite, S ≥ 2, A − B of each seed, in shares. Plain percentiles are too narrow for few
    seeds: by √(S/(S−1)), and as if the spread were known. So the tails are taken at Φ(−√(S/(S−1)) t) in place of
    (1 − level)/2, t being Student's quantile with S − 1 degrees of freedom (Hesterberg, What teachers should know
    about the bootstrap, The American Statistician 69, 2015). No replicate lies outside the seeds' own differences,
    so with five or fewer the interval still covers less than it says. p is where that interval would touch 0, but
    never below 2 / 2^S.
    """
    from scipy.stats import norm, t

    check_level(level)
    values = as_differences(differences, least=2)
    if n < 1:
        raise DataError(f"a bootstrap needs n ≥ 1 replicates, found {n}")
    seeds = len(values)
    drawn = np.random.default_rng(seed).integers(seeds, size=(n, seeds))
    means = values[drawn].mean(axis=1)
    wider = np.sqrt(seeds / (seeds - 1))
    tail = norm.cdf(wider * t.ppf((1 - level) / 2, seeds - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    beyond = (1 + min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))) / (1 + n)
    p = 2 * t.cdf(norm.ppf(min(beyond, 0.5)) / wider, seeds - 1)
    return Comparison(
        "paired bootstrap over seeds",
        float(values.mean()),
        float(values.std(ddof=1) / np.sqrt(seeds)),
        float(low),
        float(high),
        level,
        float(max(p, 2.0 ** (1 - seeds))),
        {"seeds": seeds, "replicates": n},
    )

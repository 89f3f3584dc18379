"""Two rows on the same pairs, the networks taken as they are: McNemar for accuracy, DeLong for AUC.

Both count pairs as independent of each other. Pairs share people, so where people recur the p is too small and the
interval too narrow: `paired_bootstrap.bootstrap_people` is the one to trust then.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.folds import kfold_accuracy
from bench.evaluation.paired import Comparison, check_level
from bench.evaluation.pairs import Bool, Float, Int, check_folds, check_pairs


def held_out_correct(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> Bool:
    """(P,) whether `kfold_accuracy` decides each pair rightly at its own fold's threshold; errors as there."""
    values, genuine = check_pairs(scores, same, "similarity")
    fold = check_folds(folds, len(values))
    thresholds = kfold_accuracy(values, genuine, fold).thresholds
    _, index = np.unique(fold, return_inverse=True)
    right: Bool = (values >= thresholds[index]) == genuine
    return right


def mcnemar(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, *, level: float = 0.95) -> Comparison:
    """The exact McNemar test of the difference in the share of pairs decided rightly, over one seed or several.

    ``correct_a``, ``correct_b``: (P,) bool, or (S, P) with a row a seed. With one seed: the binomial test of the
    discordant pairs (McNemar, Psychometrika 12, 1947). Over seeds a pair is still one observation, its difference
    the number of seeds in which A alone is right less that in which B alone is; p is the exact share of all
    2^P ways to swap A and B within pairs that give a sum at least as far from 0. Adding up the seeds' discordant
    pairs instead would count each pair S times.

    The interval is Bonett and Price's (Journal of Educational and Behavioral Statistics 37, 2012): Wald's after
    adding one pair to either side; it is not exact and may disagree with p at the border.
    Raises DataError for arrays that are not boolean, are empty, or differ in shape.
    """
    from scipy.stats import norm

    check_level(level)
    a, b = np.atleast_2d(np.asarray(correct_a)), np.atleast_2d(np.asarray(correct_b))
    if a.dtype != np.bool_ or b.dtype != np.bool_ or a.shape != b.shape or a.ndim != 2 or 0 in a.shape:
        raise DataError(
            f"decisions must be boolean (S, P) of one shape, found {a.shape} {a.dtype} and {b.shape} {b.dtype}"
        )
    seeds, pairs = a.shape
    balance = a.sum(axis=0, dtype=np.int64) - b.sum(axis=0, dtype=np.int64)
    p = _swapped_at_least(np.bincount(np.abs(balance))[1:], abs(int(balance.sum())))
    centre = balance.sum() / seeds / (pairs + 2)
    variance = ((balance / seeds) @ (balance / seeds) + 2) / (pairs + 2) - centre**2
    se = float(np.sqrt(variance / (pairs + 2)))
    half = norm.ppf((1 + level) / 2) * se
    return Comparison(
        "exact McNemar test" if seeds == 1 else "exact McNemar test, pairs averaged over seeds",
        float(balance.sum()) / (seeds * pairs),
        se,
        float(max(centre - half, -1)),
        float(min(centre + half, 1)),
        level,
        p,
        {"pairs": pairs, "discordant": int(np.count_nonzero((a != b).any(axis=0))), "seeds": seeds},
    )


def _swapped_at_least(counts: Int, observed: int) -> float:
    """P(|Σ ±k| ≥ observed) with fair signs, ``counts[k − 1]`` terms of size k."""
    from scipy.stats import binom

    # The distribution of the sum of those terms whose sign is +.
    share = np.ones(1)
    for size, count in enumerate(counts.tolist(), start=1):
        if count:
            of_size = np.zeros(size * count + 1)
            of_size[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
            share = np.convolve(share, of_size)
    signed = 2 * np.arange(len(share)) - (len(share) - 1)
    return min(1.0, float(share[np.abs(signed) >= observed].sum()))


def delong(scores_a: npt.ArrayLike, scores_b: npt.ArrayLike, same: npt.ArrayLike, *, level: float = 0.95) -> Comparison:
    """DeLong's test of the difference in AUC, ties half, in O(P log P).

    ``scores_a``, ``scores_b``: (P,) finite, or (S, P) with a row a seed: then of the difference in the mean AUC over
    these seeds' networks. ``same``: (P,) bool with at least two pairs of either kind.

    A genuine pair's structural component is the share of impostors below it, an impostor's the share of genuine
    pairs above it; se² is the variance of the components' differences (ddof 1) over their number, both kinds added
    (DeLong et al., Biometrics 44, 1988), with components from midranks (Sun and Xu, IEEE SPL 21, 2014). z = effect /
    se is taken as normal, which fails where an AUC is nearly 1. p is None where the AUCs differ and se is 0.
    """
    from scipy.stats import norm

    check_level(level)
    a, b = np.atleast_2d(np.asarray(scores_a)), np.atleast_2d(np.asarray(scores_b))
    if a.shape != b.shape or a.ndim != 2 or 0 in a.shape:
        raise DataError(f"scores must be (S, P) of one shape, found {a.shape} and {b.shape}")
    labels = np.asarray(same)
    checked = [check_pairs(row, labels, "similarity")[0] for row in (*a, *b)]
    genuine = int(labels.sum())
    if min(genuine, len(labels) - genuine) < 2:
        raise DataError(
            f"DeLong's test needs 2 genuine and 2 impostor pairs, found {genuine} and {len(labels) - genuine}"
        )
    components = [_components(row, labels) for row in checked]
    of_a, of_b = components[: len(a)], components[len(a) :]
    above, below = (
        np.mean([one[kind] - other[kind] for one, other in zip(of_a, of_b, strict=True)], axis=0) for kind in (0, 1)
    )
    effect = float(above.mean())
    se = float(np.sqrt(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below)))
    half = norm.ppf((1 + level) / 2) * se
    known = se > 0 or effect == 0
    return Comparison(
        "DeLong test" if len(a) == 1 else "DeLong test of the mean AUC over seeds",
        effect,
        se,
        float(max(effect - half, -1)) if known else None,
        float(min(effect + half, 1)) if known else None,
        level,
        (float(2 * norm.sf(abs(effect) / se)) if se > 0 else 1.0) if known else None,
        {"genuine": genuine, "impostor": len(labels) - genuine, "seeds": len(a)},
    )


def _components(scores: Float, same: Bool) -> tuple[Float, Float]:
    """The share of impostors below each genuine pair and of genuine pairs below each impostor; ties half.

    The second is 1 less DeLong's, which has the same variance.
    """
    from scipy.stats import rankdata

    rank = rankdata(scores)
    genuine, impostor = scores[same], scores[~same]
    return (rank[same] - rankdata(genuine)) / len(impostor), (rank[~same] - rankdata(impostor)) / len(genuine)

"""The metrics as plain loops over every threshold, and protocols that are full of ties."""

import itertools
import math
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st


def slow_kfold(scores, same, folds):
    """(accuracies, thresholds): the stated rule, one decision at a time."""
    pairs = list(zip(scores, same, folds, strict=True))
    accuracies, thresholds = [], []
    for held in sorted(set(folds)):
        training = [(s, y) for s, y, f in pairs if f != held]

        def right(t, sample):
            return sum((s >= t) == y for s, y in sample)

        observed = sorted({s for s, _ in training})
        best = max(right(t, training) for t in observed)
        reaching = [t for t in observed if right(t, training) == best]
        chosen = reaching[(len(reaching) - 1) // 2]
        if right(float("inf"), training) > best:
            chosen = float("inf")
        tested = [(s, y) for s, y, f in pairs if f == held]
        thresholds.append(chosen)
        accuracies.append(right(chosen, tested) / len(tested))
    return accuracies, thresholds


def operating_points(genuine, impostor):
    """(FAR, FRR) at every distinct score and above all of them, from reject-all to accept-all."""
    thresholds = [math.inf, *sorted({*genuine, *impostor}, reverse=True)]
    return [
        (Fraction(sum(i >= t for i in impostor), len(impostor)), Fraction(sum(g < t for g in genuine), len(genuine)))
        for t in thresholds
    ]


def slow_tar(genuine, impostor, far: Fraction):
    return float(max(1 - frr for rate, frr in operating_points(genuine, impostor) if rate <= far))


def slow_auc(genuine, impostor):
    return np.mean([(g > i) + 0.5 * (g == i) for g in genuine for i in impostor])


def slow_eer(genuine, impostor):
    """Walks along the polygon of operating points until FAR − FRR changes sign."""
    for (far, frr), (next_far, next_frr) in itertools.pairwise(operating_points(genuine, impostor)):
        if far - frr < 0 <= next_far - next_frr:
            share = (frr - far) / ((frr - far) + (next_far - next_frr))
            return float(far + share * (next_far - far))
    raise AssertionError("the polygon runs from FAR 0 to FRR 0")


def slow_min_dcf(genuine, impostor, p_target, c_miss, c_fa):
    costs = [
        c_miss * p_target * float(frr) + c_fa * (1 - p_target) * float(far)
        for far, frr in operating_points(genuine, impostor)
    ]
    return min(costs) / min(c_miss * p_target, c_fa * (1 - p_target))


def slow_d_prime(genuine, impostor):
    def moments(values):
        exact = [Fraction(v) for v in values]
        mean = sum(exact) / len(exact)
        return mean, sum((v - mean) ** 2 for v in exact) / len(exact)

    (mean_g, variance_g), (mean_i, variance_i) = moments(genuine), moments(impostor)
    pooled = (variance_g + variance_i) / 2
    return float(mean_g - mean_i) / math.sqrt(pooled) if pooled else None


@st.composite
def protocols(draw, least=4):
    """Few levels (ties, constant scores among them), unsorted fold ids, folds of one pair and of one label."""
    count = draw(st.integers(least, 40))
    levels = draw(st.integers(1, 12))
    scores = draw(st.lists(st.integers(0, levels), min_size=count, max_size=count))
    same = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    folds = draw(st.lists(st.sampled_from([7, 3, -2, 11]), min_size=count, max_size=count))
    return np.array(scores) / 8, np.array(same), np.array(folds)


def both_kinds(same) -> bool:
    return len(np.unique(same)) == 2


def legal(same, folds) -> bool:
    names = np.unique(folds)
    return len(names) > 1 and all(both_kinds(same[folds != name]) for name in names)

"""McNemar and DeLong against statsmodels, scipy and plain loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paired_rows import rows
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from bench.errors import DataError
from bench.evaluation import auc, kfold_accuracy
from bench.evaluation.pair_tests import delong, held_out_correct, mcnemar


def test_decisions_are_those_of_the_kfold_accuracy():
    draw = np.random.default_rng(0)
    same = draw.random(90) < 0.5
    scores = draw.integers(0, 9, 90) + 3.0 * same
    folds = draw.permutation(np.arange(90) % 5) * 7
    right = held_out_correct(scores, same, folds)
    for fold, expected in zip(np.unique(folds), kfold_accuracy(scores, same, folds).per_fold, strict=True):
        assert right[folds == fold].mean() == expected
    upside_down = held_out_correct(-scores, same, folds)  # most folds reject all
    assert upside_down.mean() == pytest.approx(kfold_accuracy(-scores, same, folds).mean)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_one_seed_is_the_exact_mcnemar_test(only_a, only_b, both, neither):
    if only_a + only_b + both + neither == 0:
        return
    a = np.repeat([True, False, True, False], [only_a, only_b, both, neither])
    b = np.repeat([False, True, True, False], [only_a, only_b, both, neither])
    found = mcnemar(a, b)
    theirs = statsmodels_mcnemar([[both, only_a], [only_b, neither]], exact=True)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert found.effect == pytest.approx((only_a - only_b) / len(a))
    assert found.n == {"pairs": len(a), "discordant": only_a + only_b, "seeds": 1}
    assert found.low <= found.effect <= found.high
    assert mcnemar(b, a).p == found.p


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_over_seeds_every_way_to_swap_the_rows_within_pairs_is_counted(seed):
    draw = np.random.default_rng(seed)
    shape = (int(draw.integers(2, 5)), int(draw.integers(1, 10)))
    a, b = draw.random(shape) < 0.7, draw.random(shape) < 0.5
    balance = (a.astype(int) - b).sum(axis=0)
    sums = [abs(np.dot(signs, balance)) for signs in itertools.product([1, -1], repeat=shape[1])]
    found = mcnemar(a, b)
    assert found.p == pytest.approx(np.mean(np.array(sums) >= abs(balance.sum())))
    assert found.effect == pytest.approx(a.mean() - b.mean())
    assert found.n["discordant"] == int((a != b).any(axis=0).sum())


def test_a_seed_given_twice_is_no_more_evidence():
    draw = np.random.default_rng(0)
    a, b = draw.random(200) < 0.9, draw.random(200) < 0.8
    once, twice = mcnemar(a, b), mcnemar(np.stack([a, a]), np.stack([b, b]))
    assert twice.p == pytest.approx(once.p)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert twice.method != once.method


def test_the_interval_is_bonett_and_prices():
    """By hand: 100 pairs, 12 for A and 4 for B: centre 8/102, variance (13 + 5)/102 − (8/102)², over 102."""
    found = mcnemar(np.repeat([True, False, True], [12, 4, 84]), np.repeat([False, True, True], [12, 4, 84]))
    half = 1.959964 * ((18 / 102 - (8 / 102) ** 2) / 102) ** 0.5
    assert (found.low, found.high) == pytest.approx((8 / 102 - half, 8 / 102 + half), abs=1e-6)


def test_rows_that_agree_everywhere_differ_by_an_unknown_little():
    right = np.ones(1000, dtype=bool)
    found = mcnemar(right, right)
    assert (found.effect, found.p) == (0, 1)
    assert -0.005 < found.low < 0 < found.high < 0.005


def slow_delong(a, b, same):
    """The structural components of both rows by two loops, and the covariance of their means."""
    genuine, impostor = np.flatnonzero(same), np.flatnonzero(~same)
    above, below = np.zeros((2, len(genuine))), np.zeros((2, len(impostor)))
    for row, scores in enumerate((a, b)):
        for i, x in enumerate(scores[genuine]):
            for j, y in enumerate(scores[impostor]):
                right = 1.0 if x > y else 0.5 if x == y else 0.0
                above[row, i] += right / len(impostor)
                below[row, j] += right / len(genuine)
    covariance = np.cov(above) / len(genuine) + np.cov(below) / len(impostor)
    effect = above[0].mean() - above[1].mean()
    return effect, float(np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_delong_is_the_plain_loop_with_ties(seed):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(8, 30))
    same = np.arange(count) < draw.integers(2, count - 2)
    a, b = (draw.integers(0, draw.integers(2, 20), count) + same for _ in range(2))
    effect, se = slow_delong(a, b, same)
    found = delong(a, b, same)
    assert found.effect == pytest.approx(effect, abs=1e-12)
    assert found.effect == pytest.approx(auc(a[same], a[~same]) - auc(b[same], b[~same]), abs=1e-12)
    assert found.se == pytest.approx(se, abs=1e-9)
    if se > 1e-6:
        assert found.p == pytest.approx(2 * norm.sf(abs(effect) / se), abs=1e-9)
        assert found.high - found.low <= 2 * 1.96 * se
        back = delong(b, a, same)
        assert (back.effect, back.low, back.high) == pytest.approx((-found.effect, -found.high, -found.low))


def test_delong_over_seeds_is_of_the_mean_auc():
    pairs = rows(np.random.default_rng(0), 3)
    single = [delong(a, b, pairs.same) for a, b in zip(pairs.a, pairs.b, strict=True)]
    found = delong(pairs.a, pairs.b, pairs.same)
    assert found.effect == pytest.approx(np.mean([one.effect for one in single]))
    assert found.se < max(one.se for one in single)
    twice = delong(np.stack([pairs.a[0]] * 2), np.stack([pairs.b[0]] * 2), pairs.same)
    assert (twice.se, twice.p) == pytest.approx((single[0].se, single[0].p))
    assert found.n == {"genuine": 200, "impostor": 200, "seeds": 3}


def test_delong_of_rows_without_spread():
    same = np.array([True, True, False, False])
    equal = delong([4.0, 3, 2, 1], [9.0, 8, 1, 0], same)
    assert (equal.effect, equal.low, equal.high, equal.p) == (0, 0, 0, 1)
    unknown = delong([4.0, 3, 2, 1], [1.0, 1, 1, 1], same)
    assert (unknown.effect, unknown.low, unknown.high, unknown.p) == (0.5, None, None, None)


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match=r"decisions must be boolean \(S, P\) of one shape, found \(1, 2\) int64"):
        mcnemar([1, 0], [True, False])
    with pytest.raises(DataError, match=r"found \(1, 2\) bool and \(1, 1\) bool"):
        mcnemar([True, False], [True])
    with pytest.raises(DataError, match=r"level of an interval must lie in \(0, 1\), found 95"):
        mcnemar([True], [True], level=95)
    with pytest.raises(DataError, match="needs 2 genuine and 2 impostor pairs, found 1 and 2"):
        delong([1.0, 2, 3], [1.0, 2, 3], [True, False, False])
    with pytest.raises(DataError, match="NaN or infinity at pair 1"):
        delong([1.0, 2, 3, 4], [1.0, np.nan, 3, 4], [True, True, False, False])
    with pytest.raises(DataError, match=r"found \(1, 3\) and \(1, 4\)"):
        delong([1.0, 2, 3], [1.0, 2, 3, 4], [True, True, False, False])


def test_under_the_null_of_independent_pairs_neither_finds_more_than_chance():
    """Same quality of network, no person in two pairs: a p below .05 in at most 7 of 100, coverage near 95 %."""
    draw = np.random.default_rng(1)
    found = {"mcnemar": [], "delong": []}
    for _ in range(400):
        pairs = rows(draw, 2, training=0, of_people=0, pairs=200, independent=True)
        found["mcnemar"].append(mcnemar((pairs.a >= 1) == pairs.same, (pairs.b >= 1) == pairs.same))
        found["delong"].append(delong(pairs.a, pairs.b, pairs.same))
    for results in found.values():
        assert 0.01 <= np.mean([one.p < 0.05 for one in results]) <= 0.07
        assert 0.93 <= np.mean([one.low <= 0 <= one.high for one in results]) <= 0.985


def test_a_clear_effect_is_found():
    pairs = rows(np.random.default_rng(0), 2, effect=0.6, training=0, independent=True)
    assert mcnemar((pairs.a >= 1) == pairs.same, (pairs.b >= 1) == pairs.same).p < 0.01
    assert delong(pairs.a, pairs.b, pairs.same).low > 0

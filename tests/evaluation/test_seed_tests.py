"""Sign flips and the bootstrap over seeds against scipy, plain loops and simulation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.errors import DataError
from bench.evaluation.seed_tests import EXACT_SEEDS, bootstrap_seeds, sign_flip

SKEWED = np.array([0.031, 0.002, 0.012, -0.004, 0.009, 0.001, 0.054, 0.006])


@given(st.lists(st.integers(-6, 6), min_size=2, max_size=9))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_exact_p_is_the_share_of_all_flips(values):
    """In thousandths, as accuracies are: sums that are equal on paper must count as equal."""
    sums = [abs(np.dot(signs, values)) for signs in itertools.product([1, -1], repeat=len(values))]
    found = sign_flip(np.array(values) / 1000)
    assert found.p == np.mean(np.array(sums) >= abs(sum(values)))
    assert found.n == {"seeds": len(values), "flips": 2 ** len(values)}


def test_the_exact_p_is_scipys():
    theirs = stats.permutation_test(
        (SKEWED,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided", vectorized=False
    )
    assert sign_flip(SKEWED).p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("seeds", [1, 2, 3, 4, 5, 6, 10])
def test_no_p_lies_below_two_in_two_to_the_n(seeds):
    huge = np.linspace(1, 2, seeds)
    found = sign_flip(huge)
    assert found.p == 2 / 2**seeds
    assert (found.p < 0.05) == (seeds > 5)
    assert (found.low is None) == (seeds < 6)
    if seeds > 1:
        assert bootstrap_seeds(huge).p >= 2 / 2**seeds


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_the_interval_holds_just_the_means_that_are_not_rejected(level):
    found = sign_flip(SKEWED, level=level)
    alpha, little = 1 - level, 1e-7
    for mean, inside in (
        (found.low - little, False),
        (found.low + little, True),
        (found.high - little, True),
        (found.high + little, False),
    ):
        assert (sign_flip(SKEWED - mean).p > alpha) == inside
    assert found.low < SKEWED.mean() < found.high


def test_many_seeds_are_drawn_by_the_given_seed_and_never_give_p_zero():
    draw = np.random.default_rng(0)
    values = draw.normal(0.3, 1, EXACT_SEEDS + 5)
    found = sign_flip(values, draws=2000, seed=1)
    assert found == sign_flip(values, draws=2000, seed=1)
    other = sign_flip(values, draws=2000, seed=2)
    assert (found.p, found.low) != (other.p, other.low)
    assert found.n["flips"] == 2000
    assert "Monte Carlo" in found.method
    near_exact = sign_flip(values, draws=200_000)
    assert found.p == pytest.approx(near_exact.p, abs=0.03)
    assert (found.low, found.high) == pytest.approx((near_exact.low, near_exact.high), abs=0.1)
    assert sign_flip(np.full(30, 0.1), draws=99).p == 1 / 100
    assert "exact" in sign_flip(values[:EXACT_SEEDS]).method


def test_the_bootstrap_takes_wider_percentiles_of_plain_repetition():
    found = bootstrap_seeds(SKEWED, n=500, seed=3)
    draw = np.random.default_rng(3)
    means = [np.mean([SKEWED[i] for i in chosen]) for chosen in draw.integers(8, size=(500, 8))]
    tail = stats.norm.cdf(-np.sqrt(8 / 7) * stats.t.ppf(0.975, 7))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [tail, 1 - tail])))
    assert found.effect == pytest.approx(SKEWED.mean())
    assert found.se == pytest.approx(stats.sem(SKEWED))
    assert found == bootstrap_seeds(SKEWED, n=500, seed=3)
    assert found.low != bootstrap_seeds(SKEWED, n=500, seed=4).low


def test_the_bootstraps_p_is_where_its_interval_would_touch_zero():
    found = bootstrap_seeds(SKEWED)
    assert 2 / 2**8 < found.p < 0.5
    assert bootstrap_seeds(SKEWED, level=1 - found.p - 0.005).low > 0
    assert bootstrap_seeds(SKEWED, level=1 - found.p + 0.005).low < 0
    assert bootstrap_seeds(-SKEWED).p == pytest.approx(found.p)
    assert bootstrap_seeds(np.zeros(5)).p == 1


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match=r"\(S,\), one a seed, with S ≥ 1, found \(0,\)"):
        sign_flip([])
    with pytest.raises(DataError, match="with S ≥ 2"):
        bootstrap_seeds([0.1])
    with pytest.raises(DataError, match="must be finite, found seed 1, 2"):
        sign_flip([0.1, np.nan, np.inf])
    with pytest.raises(DataError, match="at least 1 draw, found 0"):
        sign_flip([0.1, 0.2], draws=0)
    with pytest.raises(DataError, match="n ≥ 1 replicates, found 0"):
        bootstrap_seeds([0.1, 0.2], n=0)


@pytest.mark.parametrize(("seeds", "coverage"), [(5, 0.88), (6, 0.9), (12, 0.92)])
def test_under_the_null_neither_finds_more_than_chance(seeds, coverage):
    """Five seeds find nothing at all; the bootstrap's interval is then as short as docs/metrics.md says."""
    draw = np.random.default_rng(0)
    flips, boots = [], []
    for i in range(500):
        differences = draw.normal(0, 0.01, seeds)
        flips.append(sign_flip(differences))
        boots.append(bootstrap_seeds(differences, n=1000, seed=i))
    for results in (flips, boots):
        assert np.mean([one.p < 0.05 for one in results]) <= 0.07
    assert np.mean([one.low is None or one.low <= 0 <= one.high for one in flips]) >= 0.93
    assert coverage <= np.mean([one.low <= 0 <= one.high for one in boots]) <= 0.97


def test_a_clear_effect_is_found_with_six_seeds():
    differences = np.random.default_rng(0).normal(0.02, 0.005, 6)
    assert sign_flip(differences).p == 2 / 64
    assert sign_flip(differences).low > 0
    assert bootstrap_seeds(differences).p < 0.05

"""The interquartile mean against scipy and repetition, on skewed data, so that mean, median and IQM differ."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.errors import DataError
from bench.evaluation.iqm import interquartile_mean, iqm_interval


def skewed(seed, *shape):
    return np.random.default_rng(seed).lognormal(0, 1, shape)


@pytest.mark.parametrize("n", [8, 12, 20])
def test_multiples_of_four_are_scipys_trimmed_mean(n):
    values = skewed(n, n)
    found = interquartile_mean(values)
    assert found == pytest.approx(stats.trim_mean(values, 0.25))
    assert len({round(float(x), 6) for x in (found, values.mean(), np.median(values))}) == 3


@given(st.integers(1, 23), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_number_is_the_mean_of_the_middle_half_of_four_copies(n, seed):
    """Four copies of n values have whole quartiles: n are cut from either end."""
    values = skewed(seed, n)
    middle = np.sort(np.repeat(values, 4))[n : 3 * n]
    assert interquartile_mean(values) == pytest.approx(middle.mean())


def test_by_hand_and_along_the_last_axis():
    values = np.array([[10.0, 1, 2, 100, 4], [0, 0, 8, 0, 0]])
    expected = [(0.75 * 2 + 4 + 0.75 * 10) / 2.5, 0]
    assert interquartile_mean(values).tolist() == pytest.approx(expected)
    assert interquartile_mean([3.0, 5.0]) == 4


@pytest.mark.parametrize("shared", [True, False])
def test_the_interval_is_that_of_plain_repetition_within_tasks(shared):
    tasks = [skewed(i, 5) * (i + 1) for i in range(3)]
    found = iqm_interval(tasks, runs_shared=shared, n=300, seed=4)
    draw = np.random.default_rng(4)
    chosen = [draw.integers(5, size=(300, 5)) for _ in range(1 if shared else 3)]
    slow = [
        interquartile_mean([task[i] for t, task in enumerate(tasks) for i in chosen[0 if shared else t][r]])
        for r in range(300)
    ]
    assert found.estimate == pytest.approx(float(interquartile_mean(np.concatenate(tasks))))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
    assert (found.runs, found.replicates, found.seed, found.level) == ((5, 5, 5), 300, 4, 0.95)


def test_tasks_of_different_size_stay_apart():
    """Runs are drawn within their task: with one run a task there is nothing to draw."""
    found = iqm_interval([[1.0], [2.0], [10.0], [4.0]], runs_shared=False, n=50)
    assert (found.low, found.estimate, found.high) == (3, 3, 3)
    assert iqm_interval([[1.0, 5.0], [2.0]], runs_shared=False, n=50).runs == (2, 1)


def test_the_seed_matters_and_fixes_every_bit():
    tasks = skewed(0, 3, 6)
    for shared in (True, False):
        found = iqm_interval(tasks, runs_shared=shared, n=100, seed=1)
        assert found == iqm_interval(tasks, runs_shared=shared, n=100, seed=1)
        other = iqm_interval(tasks, runs_shared=shared, n=100, seed=2)
        assert (found.low, found.high) != (other.low, other.high)
        assert found.estimate == other.estimate
        narrow = iqm_interval(tasks, runs_shared=shared, n=100, seed=1, level=0.5)
        assert found.low < narrow.low < narrow.high < found.high


@pytest.mark.parametrize("shared", [True, False])
def test_coverage_is_near_its_level(shared):
    """Ten runs, four tasks; where runs are shared, luck is, and drawing each task alone would cover far too little."""
    draw = np.random.default_rng(0)
    truth = float(interquartile_mean(draw.normal(size=(100_000, 4)).ravel() + np.tile([0, 0.3, 0.6, 0.9], 100_000)))
    hits = []
    for i in range(300):
        luck = draw.normal(size=(1, 10)) if shared else draw.normal(size=(4, 10))
        tasks = np.array([[0], [0.3], [0.6], [0.9]]) + luck
        found = [iqm_interval(list(tasks), runs_shared=s, n=200, seed=i) for s in {shared, False}]
        hits.append([one.low <= truth <= one.high for one in found])
    coverage = dict(zip({shared, False}, np.mean(hits, axis=0), strict=True))
    assert 0.87 <= coverage[shared] <= 0.98
    if shared:
        assert coverage[False] < 0.8


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match=r"finite values, at least one, found \(0,\)"):
        interquartile_mean([])
    with pytest.raises(DataError, match=r"found \(2,\)"):
        interquartile_mean([1.0, np.nan])
    with pytest.raises(DataError, match=r"each task needs values \(runs,\), found no task"):
        iqm_interval([], runs_shared=False)
    with pytest.raises(DataError, match=r"found \(2,\), \(0,\)"):
        iqm_interval([[1.0, 2.0], []], runs_shared=False)
    with pytest.raises(DataError, match="equally many, found 2, 1"):
        iqm_interval([[1.0, 2.0], [3.0]], runs_shared=True)
    with pytest.raises(DataError, match="n ≥ 1 replicates, found 0"):
        iqm_interval([[1.0]], runs_shared=True, n=0)

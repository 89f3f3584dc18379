"""Ranks against scipy, scikit-posthocs and Demšar's tables."""

import math

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.errors import DataError
from bench.evaluation.ranks import rank_rows, task_ranks


def made_up(seed, levels=40):
    draw = np.random.default_rng(seed)
    tasks, rows = int(draw.integers(3, 15)), int(draw.integers(3, 9))
    return draw.integers(0, levels, (tasks, rows)) / 8 + draw.integers(0, 5, rows)


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 40, 10_000]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_friedman_is_scipys_with_ties(seed, levels):
    values = made_up(seed, levels)
    theirs = stats.friedmanchisquare(*values.T)
    found = rank_rows(values, higher_is_better=True)
    assert found.friedman == pytest.approx(theirs.statistic)
    least = 1 / math.factorial(values.shape[1]) ** (len(values) - 1)
    assert found.friedman_p == pytest.approx(max(theirs.pvalue, least))
    downwards = rank_rows(-values, higher_is_better=False)
    assert downwards.ranks.tolist() == found.ranks.tolist()
    assert downwards.groups == found.groups


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_groups_hold_exactly_the_couples_that_nemenyi_does_not_tell_apart(seed):
    values = made_up(seed)
    found = rank_rows(values, higher_is_better=True)
    p = scikit_posthocs.posthoc_nemenyi_friedman(values).to_numpy()
    together = {(i, j) for group in found.groups for i in group for j in group}
    for i in range(values.shape[1]):
        for j in range(values.shape[1]):
            if i != j and abs(p[i, j] - 0.05) > 1e-4:
                assert ((i, j) in together) == (p[i, j] > 0.05)


def test_groups_are_maximal_and_in_order():
    values = np.random.default_rng(3).normal(size=(12, 9)) + np.linspace(0, 3, 9)
    found = rank_rows(values, higher_is_better=True)
    assert len(found.groups) > 1
    assert found.ranks[list(found.order)].tolist() == sorted(found.ranks)
    sets = [set(group) for group in found.groups]
    assert not any(one < other for one in sets for other in sets)
    place = {row: at for at, row in enumerate(found.order)}
    for group in found.groups:
        assert [place[row] for row in group] == list(range(place[group[0]], place[group[-1]] + 1))


@pytest.mark.parametrize(("rows", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)])
def test_the_critical_difference_is_demsars(rows, q):
    """Table 5 (a) of Demšar 2006, α = .05."""
    values = np.random.default_rng(0).normal(size=(14, rows))
    found = rank_rows(values, higher_is_better=True)
    assert found.critical_difference == pytest.approx(q * math.sqrt(rows * (rows + 1) / (6 * 14)), rel=3e-4)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_iman_and_davenports_f_is_the_analysis_of_variance_of_the_ranks(seed):
    """F of a two-way layout without repetition, rows within tasks, by its sums of squares."""
    values = made_up(seed)
    tasks, rows = values.shape
    ranks = task_ranks(values, higher_is_better=True)
    between = tasks * ((ranks.mean(axis=0) - ranks.mean()) ** 2).sum()
    within = ((ranks - ranks.mean(axis=1, keepdims=True) - ranks.mean(axis=0) + ranks.mean()) ** 2).sum()
    expected = between / (rows - 1) / (within / ((rows - 1) * (tasks - 1)))
    found = rank_rows(values, higher_is_better=True)
    assert found.iman_davenport == pytest.approx(expected)
    least = 1 / math.factorial(rows) ** (tasks - 1)
    p = stats.f.sf(expected, rows - 1, (rows - 1) * (tasks - 1))
    assert found.iman_davenport_p == pytest.approx(max(p, least))


def test_the_best_row_has_rank_one_and_ties_share():
    values = [[0.9, 0.7, 0.7, 0.1], [0.9, 0.8, 0.5, 0.1]]
    assert task_ranks(values, higher_is_better=True).tolist() == [[1, 2.5, 2.5, 4], [1, 2, 3, 4]]
    assert task_ranks(values, higher_is_better=False)[0].tolist() == [4, 2.5, 2.5, 1]
    assert rank_rows(values, higher_is_better=True).order == (0, 1, 2, 3)


def test_tasks_that_all_agree_give_the_smallest_p_that_there_is():
    found = rank_rows(np.tile([3.0, 2, 1], (4, 1)), higher_is_better=True)
    assert found.iman_davenport == math.inf
    assert found.iman_davenport_p == 1 / 6**3
    assert found.friedman_p == pytest.approx(stats.chi2.sf(8, 2))


def test_rows_that_always_tie_are_one_group():
    found = rank_rows(np.ones((4, 3)), higher_is_better=True)
    assert (found.friedman, found.friedman_p, found.iman_davenport_p) == (0, 1, 1)
    assert found.groups == ((0, 1, 2),)


def test_under_the_null_a_couple_is_seldom_told_apart_and_a_clear_effect_is():
    draw = np.random.default_rng(0)
    rankings = [rank_rows(draw.normal(size=(10, 6)), higher_is_better=True) for _ in range(300)]
    assert np.mean([len(one.groups) != 1 or len(one.groups[0]) != 6 for one in rankings]) <= 0.07
    assert np.mean([one.iman_davenport_p < 0.05 for one in rankings]) <= 0.07
    clear = rank_rows(draw.normal([0, 0, 0, 0, 0, 4], size=(10, 6)), higher_is_better=True)
    assert clear.order[0] == 5
    assert clear.iman_davenport_p < 0.05


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match=r"\(tasks, rows\) with at least 2 rows, found \(4,\)"):
        task_ranks(np.ones(4), higher_is_better=True)
    with pytest.raises(DataError, match=r"found NaN or infinity at task 0 row 1, task 1 row 0 \(2 in all\)"):
        task_ranks([[1, np.nan], [np.inf, 0]], higher_is_better=True)
    with pytest.raises(DataError, match="at least 2 tasks and 3 rows, found 1 and 3"):
        rank_rows([[1, 2, 3]], higher_is_better=True)
    with pytest.raises(DataError, match=r"alpha must lie in \(0, 1\), found 5"):
        rank_rows(np.ones((3, 3)), higher_is_better=True, alpha=5)

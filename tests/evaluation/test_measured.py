"""Rows compared by what evaluations kept, against comparing their scores and plain t tests."""

import dataclasses

import numpy as np
import pytest
from paired_rows import rows
from scipy import stats

from bench.errors import DataError
from bench.evaluation.bootstrap import bootstrap_replicates
from bench.evaluation.comparison import compare_rows
from bench.evaluation.measured import Measured, compare_measured
from bench.evaluation.verification import verify


def kept(pairs, row, metric, *, n=60, dtype=np.float64):
    """What evaluations of a row's networks would keep: one a seed."""
    found = {}
    for seed, scores in enumerate(row):
        drawn = bootstrap_replicates(
            scores, pairs.same, pairs.people, pairs.folds, fars=["1e-2"], replicates=n, seed=0
        )  # fmt: skip
        value = verify(scores, pairs.same, pairs.folds, fars=["1e-2"]).metrics()[metric]
        found[seed] = Measured(value, drawn[metric].astype(dtype), "lists", (n, 0))
    return found


@pytest.mark.parametrize("metric", ["accuracy", "eer", "d_prime", "tar_at_far_1e-2"])
@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_it_is_what_comparing_the_scores_gives(metric, seeds):
    pairs = rows(np.random.default_rng(3), seeds, effect=0.2)
    slow = compare_rows(pairs, metric, n=60)
    fast = compare_measured(kept(pairs, pairs.a, metric), kept(pairs, pairs.b, metric), metric)
    assert (fast.method, fast.unit) == (slow.method, slow.unit)
    for name in ("effect", "se", "low", "high", "p"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), rel=1e-9)
    assert fast.n.items() <= slow.n.items()


def test_half_as_many_bits_of_a_replicate_are_enough():
    pairs = rows(np.random.default_rng(3), 3, effect=0.2)
    slow = compare_rows(pairs, "accuracy", n=60)
    a, b = (kept(pairs, row, "accuracy", dtype=np.float32) for row in (pairs.a, pairs.b))
    fast = compare_measured(a, b, "accuracy")
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), rel=1e-5)


def test_only_seeds_that_both_have_are_paired():
    pairs = rows(np.random.default_rng(3), 4)
    a, b = kept(pairs, pairs.a, "auc"), kept(pairs, pairs.b, "auc")
    part = compare_measured({s: a[s] for s in (0, 1, 3)}, {s: b[s] for s in (1, 2, 3)}, "auc")
    both = compare_measured({s: a[s] for s in (1, 3)}, {s: b[s] for s in (1, 3)}, "auc")
    assert part == both
    assert part.n["seeds"] == 2


def plain(values, **changed):
    return {seed: Measured(value, **changed) for seed, value in enumerate(values)}


@pytest.mark.parametrize("change", [{"drawn": (60, 1)}, {"test": ""}, {"replicates": None}])
def test_draws_of_other_people_are_never_paired(change):
    """Then it is the t test of the differences, and says so."""
    pairs = rows(np.random.default_rng(3), 3)
    a, b = kept(pairs, pairs.a, "auc"), kept(pairs, pairs.b, "auc")
    b[1] = dataclasses.replace(b[1], **change)
    found = compare_measured(a, b, "auc")
    assert found.method == "paired t over seeds"
    theirs = stats.ttest_rel([one.value for one in a.values()], [one.value for one in b.values()])
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.low == pytest.approx(100 * theirs.confidence_interval().low)


def test_seeds_that_are_not_shared_are_compared_by_welch():
    a, b = plain([0.8, 0.82, 0.85]), {10 + seed: one for seed, one in plain([0.7, 0.79]).items()}
    found = compare_measured(a, b, "accuracy", level=0.9)
    theirs = stats.ttest_ind([0.8, 0.82, 0.85], [0.7, 0.79], equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((100 * interval.low, 100 * interval.high))
    assert "not paired" in found.method
    assert found.n == {"seeds": 5, "seeds_a": 3, "seeds_b": 2}


def test_what_cannot_be_told_is_none():
    one = compare_measured(plain([0.8]), plain([0.7]), "accuracy")
    assert (one.effect, one.low, one.p) == (pytest.approx(10), None, None)
    assert "these two networks only" in one.method
    alone = compare_measured(plain([0.8]), {5: Measured(0.7)}, "accuracy")
    assert (alone.low, alone.p) == (None, None)
    assert "too few" in alone.method
    same = compare_measured(plain([0.8, 0.9]), plain([0.7, 0.8]), "accuracy")
    assert (same.effect, same.low, same.p) == (pytest.approx(10), None, None)


def test_rows_of_other_pairs_and_empty_ones_are_refused():
    with pytest.raises(DataError, match="not measured on the same pairs: lists aaa, bbb"):
        compare_measured(plain([0.8], test="aaa"), plain([0.7], test="bbb"), "accuracy")
    with pytest.raises(DataError, match="nothing to compare: 0 and 1 seeds have a value of auc"):
        compare_measured({}, plain([0.7]), "auc")


def test_replicates_without_a_value_are_left_out_in_both_rows():
    draws = np.random.default_rng(0).normal(size=(4, 50))
    draws[0, 3] = draws[3, 7] = np.nan
    values = [Measured(0.5 + seed / 100, row, "t", (50, 0)) for seed, row in enumerate(draws)]
    found = compare_measured(dict(enumerate(values[:2])), dict(enumerate(values[2:])), "accuracy")
    assert found.n == {"seeds": 2, "replicates": 50, "undefined": 2}
    assert np.isfinite([found.low, found.high]).all()

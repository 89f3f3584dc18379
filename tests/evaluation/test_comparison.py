"""Rows against baselines: percentage points, which method, and Holm over a table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paired_rows import rows
from statsmodels.stats.multitest import multipletests

from bench.catalog.metrics import metric as described
from bench.errors import DataError
from bench.evaluation.comparison import compare_rows, compare_table, holm
from bench.evaluation.paired import PairedScores
from bench.evaluation.paired_bootstrap import bootstrap_people, bootstrap_seeds_and_people
from bench.evaluation.verification import verify


@given(
    st.lists(st.sampled_from([0.0, 1e-9, 0.001, 0.01, 0.02, 0.04, 0.3, 1.0]) | st.floats(0, 1), min_size=1, max_size=12)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_holm_is_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_holm_leaves_out_what_was_not_measurable():
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([None]) == [None]
    assert holm([]) == []
    with pytest.raises(DataError, match=r"must lie in \[0, 1\], found 0.1, 1.2"):
        holm([0.1, 1.2])
    with pytest.raises(DataError, match="found nan"):
        holm([float("nan")])


def test_several_seeds_are_compared_over_seeds_and_people_in_points():
    pairs = rows(np.random.default_rng(0), 3, effect=0.5)
    found = compare_rows(pairs, n=60, seed=4)
    plain = bootstrap_seeds_and_people(pairs, "accuracy", n=60, seed=4)
    assert found.unit == "percentage points"
    assert [found.effect, found.se, found.low, found.high] == pytest.approx(
        [100 * plain.effect, 100 * plain.se, 100 * plain.low, 100 * plain.high]
    )
    assert (found.p, found.n, found.method, found.p_holm) == (plain.p, plain.n, plain.method, None)
    assert compare_rows(pairs, "auc").effect == pytest.approx(100 * bootstrap_seeds_and_people(pairs, "auc").effect)


def test_one_seed_is_said_to_be_one():
    pairs = rows(np.random.default_rng(0), 1)
    found = compare_rows(pairs, "auc", level=0.9)
    plain = bootstrap_people(pairs, "auc", level=0.9)
    assert found.method == "paired bootstrap over people; one seed: holds for these two networks only"
    assert (found.low, found.p, found.level) == (pytest.approx(100 * plain.low), plain.p, 0.9)


def test_accuracy_needs_folds():
    pairs = rows(np.random.default_rng(0), 2)
    without = PairedScores(pairs.a, pairs.b, pairs.same, pairs.people)
    with pytest.raises(DataError, match="needs folds, found none"):
        compare_rows(without)
    assert compare_rows(without, "auc", n=20) == compare_rows(pairs, "auc", n=20)


@pytest.mark.parametrize(
    ("metric", "scale", "unit"),
    [
        ("eer", 100, "percentage points"),
        ("tar_at_far_1e-1", 100, "percentage points"),
        ("min_dcf", 1, ""),
        ("d_prime", 1, ""),
    ],
)
@pytest.mark.parametrize("seeds", [1, 2])
def test_shares_come_in_points_and_other_numbers_as_they_are(metric, scale, unit, seeds):
    pairs = rows(np.random.default_rng(0), seeds, effect=0.5)
    found = compare_rows(pairs, metric, n=30)
    a, b = (
        np.mean([verify(scores, pairs.same, None, fars=["1e-1"]).metrics()[metric] for scores in row])
        for row in (pairs.a, pairs.b)
    )
    assert found.effect == pytest.approx(scale * (a - b))
    assert found.low < found.effect < found.high
    assert found.unit == unit
    assert described(metric).scale == scale


def test_a_table_keeps_its_order_and_is_corrected_as_one():
    draw = np.random.default_rng(0)
    table = {name: rows(draw, 3, effect=effect) for name, effect in (("b", 0.0), ("a", 1.5), (("c", "auc"), 0.9))}
    found = compare_table(table, {("c", "auc"): "auc"}, n=50)
    assert list(found) == ["b", "a", ("c", "auc")]
    assert [one.p_holm for one in found.values()] == pytest.approx(
        multipletests([one.p for one in found.values()], method="holm")[1].tolist()
    )
    assert found["a"].p_holm > found["a"].p
    assert found["c", "auc"].effect == compare_rows(table["c", "auc"], "auc", n=50).effect
    with pytest.raises(DataError, match="unknown metric 'acc'"):
        compare_table(table, {"a": "acc"})
    with pytest.raises(DataError, match=r"metrics for entries that are not in the table: 'd' \(1 in all\)"):
        compare_table(table, {"d": "auc"})


def test_a_table_of_nothing_seldom_finds_anything():
    """Eight comparisons of equal rows a table: any adjusted p below .05 in a few tables at most."""
    draw = np.random.default_rng(0)
    any_found = []
    for _ in range(40):
        table = {i: rows(draw, 3, pairs=100, people=30) for i in range(8)}
        found = compare_table(table, dict.fromkeys(table, "auc"), n=50)
        any_found.append(min(one.p_holm for one in found.values()) < 0.05)
    assert np.mean(any_found) <= 0.07

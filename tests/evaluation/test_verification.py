"""The vectorised metrics against plain loops over every threshold, on cases full of ties."""

import itertools
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from bench.errors import DataError
from bench.evaluation import auc, eer, kfold_accuracy, roc, tar_at_far, verify


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


def slow_tar(genuine, impostor, far: Fraction):
    thresholds = [*genuine, *impostor, float("inf")]
    legal = [t for t in thresholds if Fraction(sum(i >= t for i in impostor), len(impostor)) <= far]
    return max(sum(g >= t for g in genuine) / len(genuine) for t in legal)


def slow_auc(genuine, impostor):
    return np.mean([(g > i) + 0.5 * (g == i) for g in genuine for i in impostor])


def slow_eer(genuine, impostor):
    """Walks along the polygon of operating points until FAR − FRR changes sign."""
    thresholds = [float("inf"), *sorted({*genuine, *impostor}, reverse=True)]
    points = [
        (Fraction(sum(i >= t for i in impostor), len(impostor)), Fraction(sum(g < t for g in genuine), len(genuine)))
        for t in thresholds
    ]
    for (far, frr), (next_far, next_frr) in itertools.pairwise(points):
        if far - frr < 0 <= next_far - next_frr:
            share = (frr - far) / ((frr - far) + (next_far - next_frr))
            return float(far + share * (next_far - far))
    raise AssertionError("the polygon runs from FAR 0 to FRR 0")


@st.composite
def protocols(draw):
    """Few levels (ties, constant scores among them), unsorted fold ids, folds of one pair and of one label."""
    count = draw(st.integers(4, 40))
    levels = draw(st.integers(1, 12))
    scores = draw(st.lists(st.integers(0, levels), min_size=count, max_size=count))
    same = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    folds = draw(st.lists(st.sampled_from([7, 3, -2, 11]), min_size=count, max_size=count))
    return np.array(scores) / 8, np.array(same), np.array(folds)


def legal(same, folds) -> bool:
    names = np.unique(folds)
    return len(names) > 1 and all(len(np.unique(same[folds != name])) == 2 for name in names)


@given(protocols())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_metric_matches_its_loop(protocol):
    scores, same, folds = protocol
    if not legal(same, folds):
        with pytest.raises(DataError, match=r"at least 2 folds|one label"):
            kfold_accuracy(scores, same, folds)
        return
    found = verify(scores, same, folds, fars=["3e-1", Fraction(1, 3)])
    accuracies, thresholds = slow_kfold(scores.tolist(), same.tolist(), folds.tolist())
    assert found.accuracy.per_fold.tolist() == accuracies
    assert found.accuracy.thresholds.tolist() == thresholds
    assert found.accuracy.mean == pytest.approx(np.mean(accuracies))
    assert found.accuracy.sd == pytest.approx(np.std(accuracies))
    assert found.accuracy.sem == pytest.approx(np.std(accuracies, ddof=1) / np.sqrt(len(accuracies)))
    genuine, impostor = scores[same].tolist(), scores[~same].tolist()
    assert found.auc == pytest.approx(slow_auc(genuine, impostor))
    assert found.auc == pytest.approx(roc_auc_score(same, scores))
    assert found.eer == pytest.approx(slow_eer(genuine, impostor))
    for point, far in zip(found.tar_at_far, (Fraction(3, 10), Fraction(1, 3)), strict=True):
        assert point.allowed == int(far * len(impostor))
        if point.allowed:
            assert point.tar == slow_tar(genuine, impostor, far)
            assert point.threshold is not None
            assert np.mean(scores[same] >= point.threshold) == point.tar
            assert np.sum(scores[~same] >= point.threshold) <= point.allowed
        else:
            assert point.tar is None


@given(protocols(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_order_of_pairs_and_increasing_rescale_change_nothing(protocol, random):
    scores, same, folds = protocol
    if not legal(same, folds):
        return
    order = list(range(len(scores)))
    random.shuffle(order)
    plain = verify(scores, same, folds, fars=["1e-1"])
    shuffled = verify(scores[order], same[order], folds[order], fars=["1e-1"])
    assert shuffled.metrics() == pytest.approx(plain.metrics())
    rescaled = verify(np.exp(3 * scores) - 5, same, folds, fars=["1e-1"])
    assert rescaled.accuracy.per_fold.tolist() == plain.accuracy.per_fold.tolist()
    assert rescaled.accuracy.thresholds.tolist() == (np.exp(3 * plain.accuracy.thresholds) - 5).tolist()
    for name in ("accuracy", "eer", "auc", "tar_at_far_1e-1"):
        assert rescaled.metrics()[name] == plain.metrics()[name]


def test_one_pair_a_fold_is_leave_one_out():
    draw = np.random.default_rng(0)
    same = np.arange(60) % 2 == 0
    scores = np.round(draw.normal(size=60) + same, 1)
    found = kfold_accuracy(scores, same, np.arange(60)[::-1])
    accuracies, thresholds = slow_kfold(scores[::-1].tolist(), same[::-1].tolist(), list(range(60)))
    assert found.per_fold.tolist() == accuracies
    assert found.thresholds.tolist() == thresholds


def test_the_threshold_is_the_lower_median_of_the_best_training_scores():
    # Trained on fold 1, the thresholds .1, .3, .5 and .7 are right on half of the pairs, and so is rejecting all.
    scores = np.array([0.25, 0.35, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    same = np.tile([True, False], 5)
    folds = np.array([0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    assert kfold_accuracy(scores, same, folds).thresholds[0] == 0.3


def test_the_threshold_never_sees_the_held_out_fold():
    scores = np.array([0.9, 0.8, 0.1, 0.7, 0.6, 0.2])
    same = np.array([True, True, False, True, True, False])
    found = kfold_accuracy(scores, same, np.array([0, 0, 0, 1, 1, 1]))
    assert found.thresholds.tolist() == [0.6, 0.8]
    assert found.per_fold.tolist() == [1, 1 / 3]


def test_reject_all_only_if_strictly_better():
    scores = np.array([0.1, 0.2, 0.9, 0.5, 0.5])
    same = np.array([True, False, False, True, False])
    folds = np.array([0, 0, 0, 1, 1])
    # Trained on fold 1, its one score is as good as rejecting all; on fold 0, rejecting all is best.
    assert kfold_accuracy(scores, same, folds).thresholds.tolist() == [0.5, np.inf]
    assert verify(scores, same, folds, fars=[]).metrics()["threshold_mean"] is None


def test_perfect_and_inverted_scores():
    same = np.tile([True, False], 10)
    folds = np.arange(20) // 4
    perfect = verify(same.astype(float), same, folds, fars=["1e-1"]).metrics()
    assert (perfect["accuracy"], perfect["eer"], perfect["auc"], perfect["tar_at_far_1e-1"]) == (1, 0, 1, 1)
    inverted = verify(-same.astype(float), same, folds, fars=["1e-1"]).metrics()
    assert (inverted["accuracy"], inverted["eer"], inverted["auc"], inverted["tar_at_far_1e-1"]) == (0.5, 1, 0, 0)


def test_constant_scores_are_chance():
    same = np.tile([True, False], 10)
    found = verify(np.ones(20), same, np.arange(20) // 4, fars=["1e-1"])
    assert (found.accuracy.mean, found.eer, found.auc) == (0.5, 0.5, 0.5)
    assert found.tar_at_far[0].tar == 0
    assert found.tar_at_far[0].threshold == np.inf


@pytest.mark.parametrize("far", [0.29, "0.29", ".29", "29e-2", Decimal("0.290"), Fraction(29, 100)])
def test_the_allowed_impostors_are_exact(far):
    """int(.29 * 100) is 28 in floats."""
    impostor = np.arange(100.0)
    found = tar_at_far(np.arange(100) + 0.5, impostor, far)
    assert (found.far, found.allowed) == ("2.9e-1", 29)
    assert found.threshold == 70.5
    assert found.tar == 0.30


def test_a_rate_below_one_impostor_is_not_measurable():
    found = tar_at_far(np.ones(10), np.zeros(999), "1e-3")
    assert (found.tar, found.threshold, found.allowed) == (None, None, 0)
    assert tar_at_far(np.ones(10), np.zeros(1000), 0.001).tar == 1
    metrics = verify(np.r_[np.ones(4), np.zeros(4)], np.arange(8) < 4, np.arange(8) % 2, fars=[1e-5]).metrics()
    assert metrics["tar_at_far_1e-5"] is None


def test_a_tie_across_the_limit_lets_none_of_it_through():
    found = tar_at_far([0.9, 0.5, 0.5], [0.8, 0.5, 0.5, 0.1], "5e-1")
    assert (found.allowed, found.tar, found.threshold) == (2, 1 / 3, 0.9)


def test_rates_have_one_spelling():
    names = [tar_at_far([1.0], np.zeros(4), far).far for far in ("0.001", 1e-3, "1.50e-2", Fraction(1, 3), 0.5)]
    assert names == ["1e-3", "1e-3", "1.5e-2", "1/3", "5e-1"]


@pytest.mark.parametrize("far", ["abc", 0, 1, -0.1, float("nan"), float("inf"), "1/0"])
def test_a_rate_outside_its_range_is_refused(far):
    with pytest.raises(DataError, match="false accept rate must"):
        tar_at_far([1.0], [0.0], far)


def test_the_roc_holds_every_operating_point():
    genuine, impostor = [0.9, 0.5, 0.5], [0.5, 0.1]
    found = roc(genuine, impostor)
    assert found.thresholds.tolist() == [np.inf, 0.9, 0.5, 0.1]
    assert found.far.tolist() == [0, 0, 0.5, 1]
    assert found.tar.tolist() == [0, 1 / 3, 1, 1]


def test_a_thinned_roc_keeps_its_ends_and_its_tails():
    draw = np.random.default_rng(1)
    genuine, impostor = draw.normal(2, 1, 3000), draw.normal(0, 1, 3000)
    full, thin = roc(genuine, impostor), roc(genuine, impostor, max_points=80)
    assert len(thin.far) <= 80 < len(full.far)
    everything = set(zip(full.far, full.tar, full.thresholds, strict=True))
    assert everything.issuperset(zip(thin.far, thin.tar, thin.thresholds, strict=True))
    assert (thin.far[0], thin.tar[0], thin.far[-1], thin.tar[-1]) == (0, 0, 1, 1)
    for far in (1e-3, 1e-2, 1e-1):
        at = slice(None, np.searchsorted(full.far, far, side="right"))
        nearest = thin.tar[thin.far <= far].max()
        assert full.tar[at].max() - nearest < 0.05
    with pytest.raises(DataError, match="at least 4, found 3"):
        roc(genuine, impostor, max_points=3)


def test_scores_that_are_not_finite_are_named():
    scores = np.array([0.1, np.nan, 0.3, np.inf])
    same = np.array([True, False, True, False])
    with pytest.raises(DataError, match=r"NaN or infinity at pair 1, 3$"):
        verify(scores, same, np.array([0, 0, 1, 1]), fars=[])
    with pytest.raises(DataError, match=r"pair 0, 1, .*, 9, … \(50 in all\)"):
        kfold_accuracy(np.full(50, np.nan), np.arange(50) % 2 == 0, np.arange(50) % 5)
    with pytest.raises(DataError, match="at impostor pair 0"):
        auc([1.0], [np.nan])
    with pytest.raises(DataError, match=r"impostor scores must be .* at least one pair"):
        eer([1.0], [])


@pytest.mark.parametrize(
    ("scores", "same", "folds", "text"),
    [
        ([0.1, 0.2], [True], [0, 1], r"found \(2,\), \(1,\) and \(2,\)"),
        ([[0.1], [0.2]], [[True], [False]], [[0], [1]], "must be .* of one length"),
        ([0.1, 0.2], [1, 0], [0, 1], "same must be boolean .* found int64"),
        ([0.1, 0.2], [True, False], [0.0, 1.0], "folds must be integers, found float64"),
        ([0.1, 0.2], [True, False], [3, 3], "at least 2 folds, found 1"),
        ([0.1, 0.2, 0.3], [True, False, False], [5, 6, 5], "without fold 5 all training pairs have one label"),
    ],
)
def test_contradictory_input_is_refused(scores, same, folds, text):
    with pytest.raises(DataError, match=text):
        kfold_accuracy(scores, same, folds)


def test_a_held_out_fold_may_hold_one_label():
    scores = np.array([0.9, 0.8, 0.1, 0.7, 0.2, 0.85])
    same = np.array([True, True, False, True, False, True])
    found = kfold_accuracy(scores, same, np.array([0, 0, 1, 2, 2, 0]))
    assert found.per_fold.tolist() == [1, 1, 0.5]

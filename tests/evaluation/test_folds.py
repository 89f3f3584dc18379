"""Exact k-fold accuracy: the threshold's rule, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from slow_metrics import legal, protocols, slow_kfold

from bench.errors import DataError
from bench.evaluation import kfold_accuracy, verify


@given(protocols())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_accuracy_matches_its_loop(protocol):
    scores, same, folds = protocol
    if not legal(same, folds):
        with pytest.raises(DataError, match=r"at least 2 folds|one label|both needed"):
            kfold_accuracy(scores, same, folds)
        return
    found = kfold_accuracy(scores, same, folds)
    accuracies, thresholds = slow_kfold(scores.tolist(), same.tolist(), folds.tolist())
    assert found.per_fold.tolist() == accuracies
    assert found.thresholds.tolist() == thresholds
    assert found.mean == pytest.approx(np.mean(accuracies))
    assert found.sd == pytest.approx(np.std(accuracies))
    assert found.sem == pytest.approx(np.std(accuracies, ddof=1) / np.sqrt(len(accuracies)))


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


def test_a_distance_is_judged_as_its_negative():
    distance = np.array([0.1, 0.3, 0.6, 0.9, 0.2, 0.3, 0.4, 0.8])
    same = np.array([True, True, False, False] * 2)
    folds = np.array([0] * 4 + [1] * 4)
    found = kfold_accuracy(distance, same, folds, direction="distance")
    mirrored = kfold_accuracy(-distance, same, folds)
    assert found.per_fold.tolist() == mirrored.per_fold.tolist() == [1, 1]
    assert found.thresholds.tolist() == (-mirrored.thresholds).tolist() == [0.3, 0.3]
    worthless = kfold_accuracy([0.9, 0.1, 0.9, 0.1], [True, False] * 2, [0, 0, 1, 1], direction="distance")
    assert worthless.thresholds.tolist() == [0.9, 0.9]
    rejecting = kfold_accuracy([3, 1, 2] * 2, [True, False, False] * 2, [0] * 3 + [1] * 3, direction="distance")
    assert rejecting.thresholds.tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize(
    ("scores", "same", "folds", "text"),
    [
        ([0.1, 0.2], [True], [0, 1], r"found \(2,\) and \(1,\)"),
        ([[0.1], [0.2]], [[True], [False]], [[0], [1]], "must be .* of one length"),
        ([0.1, 0.2], [1, 0], [0, 1], "same must be boolean .* found int64"),
        ([0.1, 0.2], [True, False], [0.0, 1.0], r"folds must be \(2,\) integers, found \(2,\) float64"),
        ([0.1, 0.2], [True, False], [0, 1, 1], r"folds must be \(2,\) integers, found \(3,\) int64"),
        ([0.1, 0.2], [True, False], None, r"folds must be \(2,\) integers"),
        ([0.1, 0.2], [True, False], [3, 3], "at least 2 folds, found 1"),
        ([0.1, 0.2, 0.3], [True, False, False], [5, 6, 5], "without fold 5 all training pairs have one label"),
        ([0.1, 0.2], [True, True], [0, 1], "both needed, found 2 genuine and 0 impostor"),
        ([], [], [], "same must be boolean"),
        (["a", "b"], [True, False], [0, 1], "scores must be real numbers, found <U1"),
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

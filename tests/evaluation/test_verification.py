"""The vectorised metrics against plain loops over every threshold, and against scikit-learn, on cases full of ties."""

import math
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import det_curve, roc_auc_score, roc_curve
from slow_metrics import (
    both_kinds,
    legal,
    protocols,
    slow_auc,
    slow_d_prime,
    slow_eer,
    slow_kfold,
    slow_min_dcf,
    slow_tar,
)

from bench.errors import DataError, UnknownNameError
from bench.evaluation import DetectionCost, auc, d_prime, eer, kfold_accuracy, min_dcf, roc, tar_at_far, verify

COSTS = [DetectionCost(), DetectionCost(0.3, 1, 2), DetectionCost(0.9, 10, 1), DetectionCost(0.5, 0.01, 1)]
RANKING = ("eer", "auc", "min_dcf", "tar_at_far_1e-1", "tar_at_far_1/3")  # what the order of the scores settles


@given(protocols(), st.sampled_from(COSTS))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_metric_matches_its_loop(protocol, cost):
    scores, same, folds = protocol
    if not both_kinds(same):
        with pytest.raises(DataError, match="both needed"):
            verify(scores, same, None, fars=[])
        return
    genuine, impostor = scores[same].tolist(), scores[~same].tolist()
    found = verify(scores, same, folds if legal(same, folds) else None, fars=["3e-1", Fraction(1, 3)], cost=cost)
    if legal(same, folds):
        assert found.accuracy is not None
        assert found.accuracy.per_fold.tolist() == slow_kfold(scores.tolist(), same.tolist(), folds.tolist())[0]
    assert found.auc == auc(genuine, impostor) == pytest.approx(slow_auc(genuine, impostor))
    assert found.eer == eer(genuine, impostor) == pytest.approx(slow_eer(genuine, impostor))
    dcf = slow_min_dcf(genuine, impostor, cost.p_target, cost.c_miss, cost.c_fa)
    assert found.min_dcf == min_dcf(genuine, impostor, cost) == pytest.approx(dcf)
    slow = slow_d_prime(genuine, impostor)
    assert found.d_prime == d_prime(genuine, impostor)
    assert found.d_prime == (None if slow is None else pytest.approx(slow))
    for point, far in zip(found.tar_at_far, (Fraction(3, 10), Fraction(1, 3)), strict=True):
        assert point == tar_at_far(genuine, impostor, far)
        assert point.allowed == int(far * len(impostor))
        if point.allowed:
            assert point.tar == slow_tar(genuine, impostor, far)
            assert point.threshold is not None
            assert np.mean(scores[same] >= point.threshold) == point.tar
            assert np.sum(scores[~same] >= point.threshold) <= point.allowed
        else:
            assert point.tar is None


@given(protocols(), st.sampled_from(COSTS))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_curves_are_scikit_learns(protocol, cost):
    scores, same, _ = protocol
    if not both_kinds(same):
        return
    genuine, impostor = scores[same], scores[~same]
    found = roc(genuine, impostor)
    far, tar, thresholds = roc_curve(same, scores, drop_intermediate=False)
    assert found.far.tolist() == far.tolist()
    assert found.tar.tolist() == tar.tolist()
    assert found.thresholds.tolist() == thresholds.tolist()
    assert auc(genuine, impostor) == pytest.approx(roc_auc_score(same, scores))
    far, frr, _ = det_curve(same, scores)
    costs = cost.c_miss * cost.p_target * frr + cost.c_fa * (1 - cost.p_target) * far
    # Which of the points that reject or accept all it keeps depends on its version.
    worst = min(cost.c_miss * cost.p_target, cost.c_fa * (1 - cost.p_target))
    assert min_dcf(genuine, impostor, cost) == pytest.approx(min(1, costs.min() / worst))


@given(protocols(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_order_of_pairs_and_increasing_rescale_change_nothing(protocol, random):
    scores, same, folds = protocol
    if not legal(same, folds):
        return
    order = list(range(len(scores)))
    random.shuffle(order)
    fars = ["1e-1", "1/3"]
    plain = verify(scores, same, folds, fars=fars)
    shuffled = verify(scores[order], same[order], folds[order], fars=fars)
    assert shuffled.metrics() == pytest.approx(plain.metrics())
    rescaled = verify(np.exp(3 * scores) - 5, same, folds, fars=fars)
    assert rescaled.accuracy.per_fold.tolist() == plain.accuracy.per_fold.tolist()
    assert rescaled.accuracy.thresholds.tolist() == (np.exp(3 * plain.accuracy.thresholds) - 5).tolist()
    for name in ("accuracy", *RANKING):
        assert rescaled.metrics()[name] == plain.metrics()[name]
    linear = verify(3 * scores - 5, same, folds, fars=fars)
    assert linear.d_prime == (None if plain.d_prime is None else pytest.approx(plain.d_prime))


@given(protocols())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_distance_gives_the_metrics_of_its_negative(protocol):
    scores, same, folds = protocol
    if not legal(same, folds):
        return
    near = verify(-scores, same, folds, fars=["1/3"])
    far = verify(scores, same, folds, fars=["1/3"], direction="distance")
    expected = near.metrics()
    if expected["threshold_mean"] is not None:
        expected["threshold_mean"] *= -1
    assert far.metrics() == expected
    threshold = far.tar_at_far[0].threshold
    if threshold is not None:
        assert threshold == -near.tar_at_far[0].threshold
        assert np.mean(scores[same] <= threshold) == far.tar_at_far[0].tar
    genuine, impostor = scores[same], scores[~same]
    assert roc(genuine, impostor, direction="distance").thresholds[0] == -np.inf
    for metric in (eer, auc, min_dcf, d_prime):
        assert metric(genuine, impostor, direction="distance") == metric(-genuine, -impostor)


def test_a_curved_rescale_changes_d_prime():
    assert d_prime([3.0, 4.0], [1.0, 2.0]) == 4
    assert d_prime(np.exp([3.0, 4.0]), np.exp([1.0, 2.0])) != pytest.approx(4, abs=0.5)


def test_d_prime_has_no_value_without_spread():
    assert d_prime([0.1] * 3, [0.3] * 7) is None
    assert d_prime([1e9 + 0.1] * 3, [1e9 + 0.1] * 7) is None
    assert d_prime([0.1] * 3, [0.3] * 7 + [0.4]) < 0
    assert d_prime([5.0], [3.0, 4.0]) == pytest.approx(1.5 / math.sqrt(0.125))
    shifted = np.array([0.3, 0.1, 0.2])
    assert d_prime(shifted + 1e6, shifted + 1e6 - 0.1) == pytest.approx(d_prime(shifted, shifted - 0.1), rel=1e-6)


def test_the_cost_is_normalised_by_the_better_way_of_not_looking():
    genuine, impostor = [0.9, 0.5], [0.6, 0.1]
    # At .9 half of the genuine pairs are missed, at .5 half of the impostors pass.
    assert min_dcf(genuine, impostor) == 0.5
    assert min_dcf(genuine, impostor, DetectionCost(p_target=0.99)) == 0.5
    assert min_dcf(genuine, impostor, DetectionCost(p_target=0.5, c_miss=4, c_fa=1)) == 0.5
    assert min_dcf([0.1], [0.9]) == min_dcf([0.5], [0.5]) == 1
    assert min_dcf([0.9], [0.1]) == 0


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        ({"p_target": 0}, r"p_target must lie in \(0, 1\), found 0"),
        ({"p_target": float("nan")}, "p_target must lie"),
        ({"c_miss": -1}, "c_miss must be positive and finite, found -1"),
        ({"c_fa": float("inf")}, "c_fa must be positive"),
    ],
)
def test_impossible_costs_are_refused(cost, text):
    with pytest.raises(DataError, match=text):
        DetectionCost(**cost)


def test_perfect_and_inverted_scores():
    same = np.tile([True, False], 10)
    folds = np.arange(20) // 4
    perfect = verify(same.astype(float), same, folds, fars=["1e-1"]).metrics()
    assert (perfect["accuracy"], perfect["eer"], perfect["auc"], perfect["tar_at_far_1e-1"]) == (1, 0, 1, 1)
    assert (perfect["min_dcf"], perfect["d_prime"]) == (0, None)
    inverted = verify(-same.astype(float), same, folds, fars=["1e-1"]).metrics()
    assert (inverted["accuracy"], inverted["eer"], inverted["auc"], inverted["tar_at_far_1e-1"]) == (0.5, 1, 0, 0)
    assert inverted["min_dcf"] == 1


def test_constant_scores_are_chance():
    same = np.tile([True, False], 10)
    found = verify(np.ones(20), same, np.arange(20) // 4, fars=["1e-1"])
    assert (found.accuracy.mean, found.eer, found.auc, found.min_dcf, found.d_prime) == (0.5, 0.5, 0.5, 1, None)
    assert found.tar_at_far[0].tar == 0
    assert found.tar_at_far[0].threshold == np.inf


def test_a_protocol_without_folds_has_no_accuracy_and_the_same_names():
    same = np.tile([True, False], 10)
    scores = np.random.default_rng(0).normal(size=20)
    with_folds = verify(scores, same, np.arange(20) // 4, fars=["1e-1"])
    without = verify(scores, same, None, fars=["1e-1"])
    assert without.accuracy is None
    absent = dict.fromkeys(("accuracy", "accuracy_fold_sd", "accuracy_sem", "threshold_mean"))
    assert without.metrics() == with_folds.metrics() | absent


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
    with pytest.raises(DataError, match=r"pair 0, 1, 2, 3, 4, … \(50 in all\)"):
        kfold_accuracy(np.full(50, np.nan), np.arange(50) % 2 == 0, np.arange(50) % 5)
    with pytest.raises(DataError, match="at impostor pair 0"):
        auc([1.0], [np.nan])


@pytest.mark.parametrize("metric", [eer, auc, min_dcf, d_prime, roc, lambda g, i: tar_at_far(g, i, "1e-1")])
def test_a_kind_without_pairs_is_refused(metric):
    with pytest.raises(DataError, match=r"impostor scores must be .* at least one pair"):
        metric([1.0], [])
    with pytest.raises(DataError, match=r"genuine scores must be .* at least one pair"):
        metric([], [1.0])


def test_an_unknown_direction_is_refused():
    with pytest.raises(UnknownNameError, match=r"direction of scores 'distant'; did you mean 'distance'\?"):
        verify([1.0, 2.0], [True, False], None, fars=[], direction="distant")


def test_scores_are_used_as_given():
    """Whole numbers, half precision and far beyond cosines: nothing is clipped or rescaled."""
    same = np.tile([True, False], 4)
    scores = np.array([900, 3, 800, 5, 700, 750, 600, 1])
    found = verify(scores, same, None, fars=["1/2"])
    assert found.tar_at_far[0].threshold == 600
    assert found.metrics() == verify(scores.astype(np.float16), same, None, fars=["1/2"]).metrics()


def test_the_api_imports_no_torch():
    code = "import sys, bench.evaluation; sys.exit(any(m in sys.modules for m in ('torch', 'scipy', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Resampling people: weights against literal repetition of pairs, coverage, determinism."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench.evaluation.bootstrap import bootstrap_interval, kfold_metric
from bench.evaluation.verification import kfold_accuracy, weighted_folds


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_weight_is_a_repetition(seed):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(12, 40))
    scores = draw.integers(0, draw.integers(1, 15), count) / 4
    same = draw.random(count) < 0.5
    folds = draw.integers(0, 3, count)
    weights = draw.poisson(1.0, (5, count))
    accuracy, thresholds = weighted_folds(scores, same, folds, weights)
    for row, (found, chosen) in enumerate(zip(accuracy, thresholds, strict=True)):
        repeated = np.repeat(np.arange(count), weights[row])
        try:
            twin = kfold_accuracy(scores[repeated], same[repeated], folds[repeated])
        except DataError:
            continue
        present = np.isin(np.unique(folds), folds[repeated])
        assert found[present].tolist() == twin.per_fold.tolist()
        assert chosen[present].tolist() == twin.thresholds.tolist()
        assert np.isnan(found[~present]).all()


def protocol(people=60, pairs=1200, seed=0):
    """Scores whose impostor level depends on the person, as with faces."""
    draw = np.random.default_rng(seed)
    who = draw.integers(people, size=(pairs, 2))
    who[: pairs // 2, 1] = who[: pairs // 2, 0]
    same = who[:, 0] == who[:, 1]
    lamb = draw.normal(0, 0.7, people)
    scores = draw.normal(0, 1, pairs) + 1.5 * same + lamb[who].sum(axis=1)
    return scores, same, who, draw.permutation(np.arange(pairs) % 10)


def test_the_interval_holds_the_estimate_and_repeats_bit_for_bit():
    scores, same, who, folds = protocol()
    found = bootstrap_interval(scores, same, who, kfold_metric(folds), 200, seed=3)
    assert found.estimate == pytest.approx(kfold_accuracy(scores, same, folds).mean)
    assert found.low < found.estimate < found.high
    assert (found.replicates, found.undefined, found.level) == (200, 0, 0.95)
    assert found == bootstrap_interval(scores, same, who, kfold_metric(folds), 200, seed=3)
    assert found != bootstrap_interval(scores, same, who, kfold_metric(folds), 200, seed=4)
    narrow = bootstrap_interval(scores, same, who, kfold_metric(folds), 200, seed=3, level=0.5)
    assert found.low < narrow.low < narrow.high < found.high


def test_the_interval_is_as_wide_as_fresh_people_would_make_it():
    """Against new people each time; resampling pairs would miss that those of one person rise and fall together."""
    fresh = [protocol(seed=seed) for seed in range(60)]
    spread = np.std([kfold_accuracy(scores, same, folds).mean for scores, same, _, folds in fresh])
    found = [
        bootstrap_interval(scores, same, who, kfold_metric(folds), 100, seed=0)
        for scores, same, who, folds in fresh[:10]
    ]
    width = np.mean([interval.high - interval.low for interval in found])
    assert 0.9 < width / (2 * 1.96 * spread) < 1.5
    by_pair = 2 * 1.96 * np.sqrt(found[0].estimate * (1 - found[0].estimate) / 1200)
    assert width > 1.3 * by_pair


def test_a_replicate_weighs_pairs_by_its_people():
    who = np.array([[0, 0], [0, 1], [2, 1], [2, 2]])
    same = who[:, 0] == who[:, 1]
    seen = []

    def metric(scores, same, weights):
        seen.append(weights)
        return weights.sum(axis=1).astype(float)

    bootstrap_interval(np.zeros(4), same, who, metric, 120, seed=0)
    drawn = np.concatenate(seen[:-1])
    assert drawn.shape == (120, 4)
    times = np.random.default_rng(0).multinomial(3, [1 / 3] * 3, size=120)
    slow = [[t[a] if a == b else t[a] * t[b] for a, b in who] for t in times]
    assert drawn.tolist() == slow
    assert seen[-1].tolist() == [[1, 1, 1, 1]]


def test_replicates_without_a_value_are_counted():
    who = np.array([[0, 0], [1, 1], [2, 3], [2, 3]])
    same = who[:, 0] == who[:, 1]
    found = bootstrap_interval([0.9, 0.8, 0.1, 0.2], same, who, kfold_metric([0, 1, 0, 1]), 400, seed=0)
    assert 0 <= found.undefined < 400
    with pytest.raises(DataError, match="no value in any of the 5 replicates of 4 people and 4 pairs"):
        bootstrap_interval([0.9, 0.8, 0.1, 0.2], same, who, lambda s, y, w: np.full(len(w), np.nan), 5, seed=0)


def test_contradictory_input_is_refused():
    who = np.array([[0, 0], [0, 1], [2, 2], [2, 1]])
    same = np.array([True, False, True, False])
    metric = kfold_metric([0, 0, 1, 1])
    with pytest.raises(DataError, match=r"people must be \(P, 2\) integers, found \(4,\) int64"):
        bootstrap_interval(np.zeros(4), same, who[:, 0], metric, seed=0)
    with pytest.raises(DataError, match="pair 1 is marked genuine but its people say otherwise"):
        bootstrap_interval(np.zeros(4), np.array([True, True, True, False]), who, metric, seed=0)
    with pytest.raises(DataError, match=r"found n=0 and level=0\.95"):
        bootstrap_interval(np.zeros(4), same, who, metric, 0, seed=0)
    with pytest.raises(DataError, match="at least 2 folds"):
        kfold_metric([1, 1, 1, 1])
    with pytest.raises(DataError, match="NaN or infinity at pair 2"):
        bootstrap_interval([0, 0, np.nan, 0], same, who, metric, seed=0)

"""Resampling people: each replicate against the plain metrics of repeated pairs, coverage, determinism."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench.evaluation import (
    DetectionCost,
    Interval,
    bootstrap_intervals,
    bootstrap_replicates,
    kfold_accuracy,
    resampling,
    verify,
)
from bench.evaluation import bootstrap as module

FARS = ["1e-1", Fraction(1, 3)]


def small(seed, people=7, levels=9):
    """Ties, folds of one or very few pairs, and people of whom often none is drawn."""
    draw = np.random.default_rng(seed)
    count = int(draw.integers(8, 40))
    who = draw.integers(people, size=(count, 2)) * 5 - 10
    genuine = draw.random(count) < draw.choice([0.2, 0.5, 0.8])
    who[genuine, 1] = who[genuine, 0]
    same = who[:, 0] == who[:, 1]
    folds = draw.permutation(count) if draw.random() < 0.2 else draw.integers(0, 3, count) * 4 - 3
    return draw.integers(0, draw.integers(1, levels), count) / 8, same, who, folds


def draws(people, replicates, seed):
    """How often each person is drawn, one replicate at a time."""
    names = np.unique(people)
    draw = np.random.default_rng(seed)
    for _ in range(replicates):
        chosen = names[draw.integers(len(names), size=len(names))].tolist()
        yield {name: chosen.count(name) for name in names.tolist()}


def plain(scores, same, folds, **options):
    """The metrics, NaN for what has no value or is an error."""
    names = ("accuracy", "eer", "auc", "min_dcf", "d_prime", "tar_at_far_1e-1", "tar_at_far_1/3")
    found = dict.fromkeys(names, np.nan)
    if len(np.unique(same)) < 2:
        return found
    found |= verify(scores, same, None, fars=FARS, **options).metrics()
    try:
        found["accuracy"] = kfold_accuracy(scores, same, folds).mean
    except DataError:
        found["accuracy"] = np.nan
    return {name: np.nan if found[name] is None else found[name] for name in names}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_replicate_is_the_metric_of_its_pairs_repeated(seed):
    scores, same, who, folds = small(seed)
    if len(np.unique(same)) < 2:
        return
    try:
        kfold_accuracy(scores, same, folds)
    except DataError:
        return
    cost = DetectionCost(0.2, 2, 1)
    found = bootstrap_replicates(scores, same, who, folds, fars=FARS, cost=cost, replicates=8, seed=seed)
    for at, times in enumerate(draws(who, 8, seed)):
        weights = [times[a] if a == b else times[a] * times[b] for a, b in who.tolist()]
        repeated = np.repeat(np.arange(len(scores)), weights)
        expected = plain(scores[repeated], same[repeated], folds[repeated], cost=cost)
        assert set(found) == set(expected)
        for name, value in expected.items():
            tolerance = {"rel": 1e-9, "abs": 1e-12, "nan_ok": True}
            assert found[name][at] == pytest.approx(value, **tolerance), name


def protocol(people=60, pairs=1200, seed=0):
    """Scores whose impostor level depends on the person, as with faces."""
    draw = np.random.default_rng(seed)
    who = draw.integers(people, size=(pairs, 2))
    who[: pairs // 2, 1] = who[: pairs // 2, 0]
    same = who[:, 0] == who[:, 1]
    lamb = draw.normal(0, 0.7, people)
    scores = draw.normal(0, 1, pairs) + 1.5 * same + lamb[who].sum(axis=1)
    return scores, same, who, draw.permutation(np.arange(pairs) % 10)


def test_every_interval_holds_its_estimate_and_repeats_bit_for_bit():
    scores, same, who, folds = protocol()

    def intervals(**options):
        return bootstrap_intervals(scores, same, who, folds, fars=["1e-1"], **{"replicates": 200, "seed": 3} | options)

    found = intervals()
    metrics = verify(scores, same, folds, fars=["1e-1"]).metrics()
    assert list(found) == ["accuracy", "eer", "auc", "min_dcf", "d_prime", "tar_at_far_1e-1"]
    narrow = intervals(level=0.5)
    for name, interval in found.items():
        assert interval.estimate == metrics[name]
        assert interval.low < interval.estimate < interval.high
        assert (interval.replicates, interval.undefined, interval.level, interval.seed) == (200, 0, 0.95, 3)
        assert interval.low < narrow[name].low < narrow[name].high < interval.high
    assert found == intervals()
    other = intervals(seed=4)
    assert all(found[name] != other[name] for name in found)


def test_the_interval_is_the_percentiles_of_the_replicates():
    scores, same, who, folds = protocol(pairs=200)
    replicates = bootstrap_replicates(scores, same, who, folds, fars=[], replicates=99, seed=1)
    intervals = bootstrap_intervals(scores, same, who, folds, fars=[], replicates=99, seed=1, level=0.8)
    for name, values in replicates.items():
        assert [intervals[name].low, intervals[name].high] == np.quantile(values, [0.1, 0.9]).tolist()


def test_nothing_depends_on_the_order_of_pairs_or_of_images_or_on_peoples_numbers():
    scores, same, who, folds = protocol(pairs=300)
    order = np.random.default_rng(1).permutation(len(scores))
    swapped = np.where(np.arange(len(who))[:, None] % 2, who[:, ::-1], who)[order] * 10 - 7
    first, second = (
        bootstrap_replicates(*arguments, fars=FARS, replicates=50, seed=0)
        for arguments in ((scores, same, who, folds), (scores[order], same[order], swapped, folds[order] * 3 + 1))
    )
    rescaled = bootstrap_replicates(np.exp(scores), same, who, folds, fars=FARS, replicates=50, seed=0)
    mirrored = bootstrap_replicates(-scores, same, who, folds, fars=FARS, replicates=50, seed=0, direction="distance")
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-12)
        assert mirrored[name].tolist() == first[name].tolist()
        if name != "d_prime":
            assert rescaled[name].tolist() == first[name].tolist()


def test_chunks_blocks_and_number_types_change_no_bit(monkeypatch):
    scores, same, who, folds = protocol(pairs=300)
    once = bootstrap_replicates(scores, same, who, folds, fars=FARS, replicates=40, seed=0)
    monkeypatch.setattr(module, "_CELLS", 7 * 300)
    monkeypatch.setattr(module, "_NARROW", 1)
    monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(resampling, "BLOCK", 64)
    pieces = bootstrap_replicates(scores, same, who, folds, fars=FARS, replicates=40, seed=0)
    for name in once:
        if name == "d_prime":
            np.testing.assert_allclose(pieces[name], once[name], rtol=1e-12)
        else:
            assert pieces[name].tolist() == once[name].tolist()


def test_the_interval_is_as_wide_as_fresh_people_would_make_it():
    """Against new people each time; resampling pairs would miss that those of one person rise and fall together."""
    fresh = [protocol(seed=seed) for seed in range(60)]
    measured = [verify(scores, same, folds, fars=["1e-1"]).metrics() for scores, same, _, folds in fresh]
    found = [
        bootstrap_intervals(scores, same, who, folds, fars=["1e-1"], replicates=100, seed=0)
        for scores, same, who, folds in fresh[:10]
    ]
    for name in found[0]:
        spread = np.std([metrics[name] for metrics in measured])
        width = np.mean([intervals[name].high - intervals[name].low for intervals in found])
        assert 0.9 < width / (2 * 1.96 * spread) < 1.6, name
    accuracy = found[0]["accuracy"].estimate
    by_pair = 2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / 1200)
    assert np.mean([intervals["accuracy"].high - intervals["accuracy"].low for intervals in found]) > 1.3 * by_pair


def test_two_models_on_the_same_pairs_get_the_same_replicates():
    scores, same, who, folds = protocol(pairs=400)
    worse = scores - 0.3 * same
    one, two = (
        bootstrap_replicates(values, same, who, folds, fars=[], replicates=60, seed=5)["auc"]
        for values in (scores, worse)
    )
    assert (one > two).all()


def test_replicates_without_a_value_are_counted():
    who = np.array([[0, 0], [1, 1], [2, 3], [2, 3], [3, 4]])
    same = who[:, 0] == who[:, 1]
    found = bootstrap_intervals([0.9, 0.8, 0.1, 0.2, 0.3], same, who, None, fars=["1/3"], replicates=400, seed=0)
    assert "accuracy" not in found
    no_pair = 0
    too_few = 0
    for times in draws(who, 400, 0):
        genuine, impostors = times[0] + times[1], times[3] * (2 * times[2] + times[4])
        no_pair += genuine * impostors == 0
        too_few += genuine == 0 or impostors < 3
    assert 0 < no_pair < too_few < 400
    assert found["auc"].undefined == found["eer"].undefined == found["min_dcf"].undefined == no_pair
    assert found["tar_at_far_1/3"].undefined == too_few
    assert found["auc"].low == found["auc"].high == 1


def test_what_is_not_measurable_has_no_interval():
    scores, same, who, folds = protocol(pairs=195)
    found = bootstrap_intervals(scores, same, who, folds, fars=["1e-2"], replicates=300, seed=0)["tar_at_far_1e-2"]
    assert verify(scores, same, folds, fars=["1e-2"]).tar_at_far[0].tar is None
    # Replicates of more than 100 impostors have a value, which says nothing about the protocol.
    assert 0 < found.undefined < 300
    assert found == Interval(None, None, None, 0.95, 300, found.undefined, 0)
    constant = bootstrap_intervals(np.ones(195), same, who, folds, fars=[], replicates=20, seed=0)["d_prime"]
    assert constant == Interval(None, None, None, 0.95, 20, 20, 0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"people": np.array([0, 0, 2, 2])}, "people must be (4, 2) integers, found (4,) int64"),
        ({"people": np.zeros((4, 2))}, "people must be (4, 2) integers, found (4, 2) float64"),
        ({"people": np.zeros((3, 2), int)}, "people must be (4, 2) integers, found (3, 2) int64"),
        ({"same": [True, True, True, True]}, "both needed"),
        ({"same": [False, True, True, False]}, "people and same disagree on whether pair 0, 1 is genuine"),
        ({"replicates": 0}, "at least 1 replicate, found 0"),
        ({"level": 95}, "level must lie in (0, 1), found 95"),
        ({"folds": [1, 1, 1, 1]}, "at least 2 folds"),
        ({"folds": [1, 2]}, "folds must be (4,) integers"),
        ({"scores": [0, 0, np.nan, 0]}, "NaN or infinity at pair 2"),
        ({"fars": [2]}, "false accept rate must"),
    ],
)
def test_contradictory_input_is_refused(change, text):
    good = {
        "scores": np.zeros(4),
        "same": [True, False, True, False],
        "people": np.array([[0, 0], [0, 1], [2, 2], [2, 1]]),
        "folds": [0, 0, 1, 1],
        "fars": [],
        "seed": 0,
    }
    bootstrap_intervals(**good)
    with pytest.raises(DataError, match=re.escape(text)):
        bootstrap_intervals(**good | change)
    if "level" not in change:
        with pytest.raises(DataError, match=re.escape(text)):
            bootstrap_replicates(**good | change)

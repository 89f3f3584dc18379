"""Resampling people, and seeds with them, against plain repetition of pairs and fresh data."""

import re

import numpy as np
import pytest
from paired_rows import rows
from scipy import stats

from bench.errors import DataError
from bench.evaluation import auc, kfold_accuracy
from bench.evaluation import paired_bootstrap as module
from bench.evaluation.bootstrap import bootstrap_intervals, bootstrap_replicates
from bench.evaluation.paired import PairedScores
from bench.evaluation.paired_bootstrap import METRICS, bootstrap_people, bootstrap_seeds_and_people


def repetitions(pairs, n, seed):
    """For each replicate the indices of its pairs, each as often as the people drawn say."""
    names = np.unique(pairs.people)
    draw = np.random.default_rng(seed)
    for _ in range(n):
        chosen = names[draw.integers(len(names), size=len(names))].tolist()
        times = {name: chosen.count(name) for name in names.tolist()}
        counts = [times[a] if a == b else times[a] * times[b] for a, b in pairs.people]
        yield np.repeat(np.arange(pairs.pairs), counts)


def test_auc_is_that_of_plainly_repeated_pairs_the_same_for_both_rows():
    pairs = rows(np.random.default_rng(0), 2, pairs=60, people=12)
    found = bootstrap_people(pairs, "auc", n=70, seed=5)
    slow = []
    for chosen in repetitions(pairs, 70, 5):
        same = pairs.same[chosen]
        a, b = ([auc(scores[chosen][same], scores[chosen][~same]) for scores in row] for row in (pairs.a, pairs.b))
        slow.append(np.mean(a) - np.mean(b))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
    assert found.se == pytest.approx(np.std(slow, ddof=1))
    below, above = np.sum(np.array(slow) <= 0), np.sum(np.array(slow) >= 0)
    assert found.p == pytest.approx(min(1, 2 * (1 + min(below, above)) / 71))
    assert found.n == {"seeds": 2, "people": 12, "pairs": 60, "replicates": 70, "undefined": 0}


def test_accuracy_is_that_of_the_folds():
    pairs = rows(np.random.default_rng(1), 2)
    found = bootstrap_people(pairs, "accuracy", n=20)
    a, b = (np.mean([kfold_accuracy(s, pairs.same, pairs.folds).mean for s in row]) for row in (pairs.a, pairs.b))
    assert found.effect == pytest.approx(a - b)


def test_both_rows_see_the_same_people():
    """Row B is row A plus a constant: every replicate gives 0, which independent draws would not."""
    pairs = rows(np.random.default_rng(0), 1)
    shifted = PairedScores(pairs.a, pairs.a + 1, pairs.same, pairs.people)
    found = bootstrap_people(shifted, "auc", n=50)
    assert (found.effect, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_people_are_drawn_as_for_the_interval_of_one_row():
    """Against a row that is upside down, whose AUC is 0 in every replicate, the difference is the other row itself."""
    pairs = rows(np.random.default_rng(0), 1)
    worthless = PairedScores(pairs.a, np.where(pairs.same, 0.0, 1.0), pairs.same, pairs.people)
    found = bootstrap_people(worthless, "auc", n=120, seed=9)
    alone = bootstrap_intervals(pairs.a[0], pairs.same, pairs.people, None, fars=[], replicates=120, seed=9)["auc"]
    assert (found.effect, found.low, found.high) == pytest.approx((alone.estimate, alone.low, alone.high))
    assert found.high > found.low


def test_whatever_has_replicates_can_be_compared_by_and_nothing_unneeded_is_measured(monkeypatch):
    pairs = rows(np.random.default_rng(0), 1)
    found = bootstrap_replicates(pairs.a[0], pairs.same, pairs.people, pairs.folds, fars=["1/3"], replicates=2, seed=0)
    assert set(found) == {*METRICS, "tar_at_far_1/3"}
    asked = []

    def recorded(*arguments, fars, **options):
        asked.append((arguments[3] is not None, fars))
        return bootstrap_replicates(*arguments, fars=fars, **options)

    monkeypatch.setattr(module, "bootstrap_replicates", recorded)
    for metric in found:
        bootstrap_people(pairs, metric, n=20)
        assert set(map(str, asked)) == {str((metric == "accuracy", ["1/3"] if "/" in metric else []))}
        asked.clear()


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("aucc", "unknown metric 'aucc'; did you mean 'auc'? (allowed: accuracy, auc, d_prime,"),
        ("accuracy_sem", "unknown metric 'accuracy_sem'; did you mean 'accuracy'?"),
        ("tar_at_far_0.01", "unknown metric 'tar_at_far_0.01'; did you mean 'tar_at_far_1e-2'?"),
        ("tar_at_far_few", "must be a number such as 1e-3, found 'few'"),
        ("tar_at_far_1e-3", "tar_at_far_1e-3 cannot be measured on these 400 pairs, of which 200 impostor"),
    ],
)
def test_a_metric_that_is_unknown_or_not_measurable_is_refused(metric, text):
    pairs = rows(np.random.default_rng(0), 2)
    for compare in (bootstrap_people, bootstrap_seeds_and_people):
        with pytest.raises(DataError, match=re.escape(text)):
            compare(pairs, metric)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    pairs = rows(np.random.default_rng(0), 3)
    for compare in (bootstrap_people, bootstrap_seeds_and_people):
        found = compare(pairs, "auc", n=100, seed=1)
        assert found == compare(pairs, "auc", n=100, seed=1)
        assert found.low != compare(pairs, "auc", n=100, seed=2).low


def test_swapping_the_rows_turns_the_sign():
    pairs = rows(np.random.default_rng(0), 3, effect=0.3)
    swapped = PairedScores(pairs.b, pairs.a, pairs.same, pairs.people)
    for compare in (bootstrap_people, bootstrap_seeds_and_people):
        one, other = compare(pairs, "auc", n=100), compare(swapped, "auc", n=100)
        assert (one.effect, one.low, one.high) == pytest.approx((-other.effect, -other.high, -other.low))
        assert one.p == pytest.approx(other.p)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_p_and_interval_say_the_same(level):
    pairs = rows(np.random.default_rng(4), 4, effect=0.25)
    found = bootstrap_seeds_and_people(pairs, "auc", n=100, level=level)
    touching = bootstrap_seeds_and_people(pairs, "auc", n=100, level=1 - found.p)
    assert touching.low == pytest.approx(0, abs=1e-6)
    assert (found.p < 1 - level) == (found.low > 0)
    assert (found.low + found.high) / 2 == pytest.approx(found.effect)


def test_where_training_noise_is_all_it_is_the_paired_t_interval():
    pairs = rows(np.random.default_rng(0), 5, training=3)
    found = bootstrap_seeds_and_people(pairs, "auc", n=100)
    differences = [
        auc(a[pairs.same], a[~pairs.same]) - auc(b[pairs.same], b[~pairs.same])
        for a, b in zip(pairs.a, pairs.b, strict=True)
    ]
    theirs = stats.ttest_1samp(differences, 0)
    interval = theirs.confidence_interval(0.95)
    assert found.high - found.low == pytest.approx(interval.high - interval.low, rel=0.05)
    assert found.high - found.low >= interval.high - interval.low
    assert found.p == pytest.approx(theirs.pvalue, abs=0.02)


def test_where_seeds_agree_by_luck_the_people_still_count():
    """The second seed has the first's scores, handed to other pairs of the kind: the same AUC from other people."""
    pairs = rows(np.random.default_rng(0), 1)
    other = np.concatenate([np.random.default_rng(1).permutation(200), 200 + np.arange(200)])
    a, b = (np.stack([row[0], row[0][other]]) for row in (pairs.a, pairs.b))
    alike = PairedScores(a, b, pairs.same, pairs.people)
    found = bootstrap_seeds_and_people(alike, "auc", n=300)
    people = bootstrap_people(alike, "auc", n=300)
    assert found.se == pytest.approx(people.se)
    assert found.high - found.low == pytest.approx(2 * 1.96 * people.se, rel=1e-3)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(people.effect) / people.se))


def test_the_parts_are_as_the_docstring_says():
    pairs = rows(np.random.default_rng(7), 3, of_people=2)
    found = bootstrap_seeds_and_people(pairs, "auc", n=60, seed=2)
    slow = []
    for chosen in repetitions(pairs, 60, 2):
        same = pairs.same[chosen]
        slow.append(
            [
                auc(a[chosen][same], a[chosen][~same]) - auc(b[chosen][same], b[chosen][~same])
                for a, b in zip(pairs.a, pairs.b, strict=True)
            ]
        )
    slow = np.array(slow)
    a, b = ([auc(scores[pairs.same], scores[~pairs.same]) for scores in row] for row in (pairs.a, pairs.b))
    once = np.subtract(a, b)
    of_seeds = np.var(once, ddof=1) / 3
    of_people = np.var(slow.mean(axis=1), ddof=1)
    own = np.sum((slow - slow.mean(axis=1, keepdims=True) - (slow.mean(axis=0) - slow.mean())) ** 2) / (59 * 2)
    rest = of_people - own / 3
    assert rest > 0
    assert found.se == pytest.approx(np.sqrt(of_seeds + rest))
    half = np.sqrt(stats.t.ppf(0.975, 2) ** 2 * of_seeds + stats.norm.ppf(0.975) ** 2 * rest)
    assert found.high - found.low == pytest.approx(2 * half)


def test_rows_that_never_differ_and_rows_that_differ_without_spread():
    pairs = rows(np.random.default_rng(0), 2)
    equal = PairedScores(pairs.a, pairs.a, pairs.same, pairs.people)
    found = bootstrap_seeds_and_people(equal, "auc", n=20)
    assert (found.effect, found.low, found.high, found.p) == (0, 0, 0, 1)
    perfect = np.where(pairs.same, 2.0, 0.0)
    apart = PairedScores(np.stack([perfect] * 2), np.stack([-perfect] * 2), pairs.same, pairs.people)
    found = bootstrap_seeds_and_people(apart, "auc", n=20)
    assert (found.effect, found.low, found.high, found.p) == (1, None, None, None)


def test_replicates_without_a_value_are_counted_and_too_many_refused():
    pairs = rows(np.random.default_rng(0), 2)
    found = bootstrap_people(pairs, "tar_at_far_5e-3", n=100)
    too_few = sum(np.count_nonzero(~pairs.same[chosen]) < 200 for chosen in repetitions(pairs, 100, 0))
    assert 0 < found.n["undefined"] == too_few < 100
    who = np.array([[0, 0], [1, 2]])
    with pytest.raises(DataError, match=r"auc has a value in [01] of 3 replicates of 3 people only"):
        bootstrap_people(PairedScores([1.0, 0.0], [0.0, 1.0], who[:, 0] == who[:, 1], who), "auc", n=3)
    with pytest.raises(DataError, match="n ≥ 2 replicates, found 1"):
        bootstrap_people(pairs, "auc", n=1)
    with pytest.raises(DataError, match="at least 2 seeds, found 1"):
        bootstrap_seeds_and_people(rows(np.random.default_rng(0), 1), "auc")


def simulated(compare, metric, seeds, times=150, **noise):
    draw = np.random.default_rng(0)
    return [compare(rows(draw, seeds, pairs=200, **noise), metric, n=100, seed=i) for i in range(times)]


def false_findings(results):
    return np.mean([one.p < 0.05 for one in results])


@pytest.mark.parametrize(("seeds", "training"), [(2, 0.0), (2, 0.8), (3, 0.2), (5, 0.0), (5, 0.8)])
def test_under_the_null_seeds_and_people_find_no_more_than_chance(seeds, training):
    """Whichever noise is the larger; the interval holds 0 as often as it says, or a little more."""
    results = simulated(bootstrap_seeds_and_people, "auc", seeds, training=training)
    assert false_findings(results) <= 0.07
    assert np.mean([one.low <= 0 <= one.high for one in results]) >= 0.93


def test_people_alone_are_enough_for_given_networks_and_not_for_new_ones():
    quiet = simulated(bootstrap_people, "auc", 1, training=0)
    assert false_findings(quiet) <= 0.07
    assert np.mean([one.low <= 0 <= one.high for one in quiet]) >= 0.93
    noisy = simulated(bootstrap_people, "auc", 3, training=0.8)
    assert false_findings(noisy) > 0.3


def test_a_clear_effect_is_found():
    found = simulated(bootstrap_seeds_and_people, "auc", 5, times=40, effect=0.9, training=0.1)
    assert false_findings(found) > 0.9
    assert all(one.effect > 0 for one in found)

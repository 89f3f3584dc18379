"""Pairs of validation identities: distinct, balanced over folds, bounded in number, the same every time."""

import numpy as np

from bench.scheduling.validation import some_people, validation_pairs


def test_pairs_are_distinct_and_rightly_labelled_and_every_fold_holds_both_kinds():
    labels = np.repeat(np.arange(12), 6)
    pairs, same, fold = validation_pairs(labels, 100, seed=3)
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs) == 200
    np.testing.assert_array_equal(labels[pairs[:, 0]] == labels[pairs[:, 1]], same)
    for number in range(10):
        assert same[fold == number].sum() == (~same[fold == number]).sum() == 10
    again, _, _ = validation_pairs(labels, 100, seed=3)
    np.testing.assert_array_equal(again, pairs)
    assert not np.array_equal(validation_pairs(labels, 100, seed=4)[0], pairs)


def test_no_more_pairs_than_there_are():
    _, same, _ = validation_pairs(np.array([0, 0, 1, 1]), 100, seed=0)
    assert (same.sum(), (~same).sum()) == (2, 4)


def test_a_large_set_is_cut_to_whole_people_and_a_small_one_is_left_alone():
    labels = np.repeat(np.arange(50), 7)
    np.testing.assert_array_equal(some_people(labels, 350, seed=0), np.arange(350))
    rows = some_people(labels, 100, seed=0)
    assert 70 <= len(rows) <= 100
    assert set(np.unique(labels[rows], return_counts=True)[1]) == {7}
    assert not np.array_equal(rows, some_people(labels, 100, seed=1))

"""What may be compared, and what is refused."""

import numpy as np
import pytest

from bench.errors import DataError
from bench.evaluation.paired import PairedScores

SAME = np.array([True, False, True, False])
PEOPLE = np.array([[0, 0], [0, 1], [2, 2], [2, 1]])
SCORES = np.array([0.9, 0.1, 0.8, 0.2])


def test_one_seed_may_be_given_flat_and_arrays_get_their_types():
    rows = PairedScores(SCORES.astype(np.float32), SCORES, SAME, PEOPLE.astype(np.int32), np.array([0, 0, 1, 1], "i4"))
    assert rows.a.shape == rows.b.shape == (1, 4)
    assert (rows.a.dtype, rows.people.dtype, rows.folds.dtype) == (np.float64, np.int64, np.int64)
    assert (rows.seeds, rows.pairs) == (1, 4)


def test_all_wrong_shapes_are_told_at_once():
    with pytest.raises(DataError) as caught:
        PairedScores(SCORES, SCORES[:3], SAME.astype(int), PEOPLE[:, 0], np.ones(4))
    assert str(caught.value) == (
        "these scores cannot be compared: a and b must be (S, P) of one shape, found (1, 4) and (1, 3); "
        "same must be (4,) boolean, found (4,) int64; people must be (4, 2) integers, found (4,) int64; "
        "folds must be (4,) integers, found (4,) float64"
    )


def test_wrong_values_are_named_by_row_seed_and_pair():
    bad = np.stack([SCORES, np.full(4, np.nan)])
    with pytest.raises(DataError) as caught:
        PairedScores(np.stack([SCORES, SCORES]), bad, np.array([True, True, True, False]), PEOPLE)
    assert str(caught.value) == (
        "these scores cannot be compared: row B has NaN or infinity in seed 1 at pair 0, 1, 2, 3; "
        "same and people contradict each other at pair 1"
    )
    many = np.where(np.arange(12) < 7, np.inf, 0.5)
    who = np.array([[0, 0], [0, 1]] * 6)
    with pytest.raises(DataError, match=r"row A has NaN or infinity in seed 0 at pair 0, 1, 2, 3, 4, … \(7 in all\)"):
        PairedScores(many, np.zeros(12), who[:, 0] == who[:, 1], who)


@pytest.mark.parametrize(("kind", "word"), [(True, "genuine"), (False, "impostor")])
def test_pairs_of_one_kind_say_nothing(kind, word):
    who = np.array([[0, 0] if kind else [0, 1]] * 4)
    with pytest.raises(DataError, match=f"all 4 pairs are {word}"):
        PairedScores(SCORES, SCORES, np.full(4, kind), who)

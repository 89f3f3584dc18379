"""k-fold accuracy: each fold is judged at the threshold that is best on the other folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.counts import Counts, pick, thresholds_of
from bench.evaluation.pairs import Bool, Direction, Float, Int, check_folds, check_pairs, first_five, sign


@dataclass(frozen=True, eq=False)
class FoldAccuracy:
    """k-fold accuracy, a share in [0, 1]: ``mean`` over folds, ``sd`` over folds (ddof 0), ``sem`` = sd (ddof 1) / √F.

    ``sem`` is what LFW's authors define (Huang et al., Labeled Faces in the Wild, UMass report 07-49, 2007).
    ``per_fold`` and ``thresholds``: (F,) float64 in ascending order of fold. A threshold is infinite (+inf for a
    similarity, −inf for a distance) where rejecting every pair is best.
    """

    mean: float
    sd: float
    sem: float
    per_fold: Float
    thresholds: Float


def kfold_accuracy(
    scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike, *, direction: Direction = "similarity"
) -> FoldAccuracy:
    """Accuracy on each fold at the threshold chosen on the others; a pair is accepted iff its score ≥ the threshold.

    The candidates are the distinct scores observed in the training folds. Among those with the best training accuracy
    the lower median is taken; +inf (reject all) only if it is strictly better than each of them. A distance is judged
    as the similarity −distance.

    ``scores``: (P,) finite reals. ``same``: (P,) bool. ``folds``: (P,) integers, in any order. Raises DataError for
    scores that are not finite, lengths that differ, a single fold, or training folds that hold one label only. A
    held-out fold with one label is legal.
    """
    values, genuine = check_pairs(scores, same, direction)
    return accuracy_of(values, genuine, check_folds(folds, len(values)), direction)


def accuracy_of(scores: Float, same: Bool, folds: Int, direction: Direction) -> FoldAccuracy:
    """`kfold_accuracy` of arguments that are checked; of the ``scores``, higher is more alike."""
    names, index = number_folds(same, folds)
    thresholds = thresholds_of(scores[same])
    total = Counts.at(thresholds, np.sort(scores[same]), np.sort(scores[~same]))
    judged = [
        held_out(total, Counts.at(thresholds, np.sort(scores[same & held]), np.sort(scores[~same & held])))
        for held in (index == at for at in range(len(names)))
    ]
    per_fold = np.array([accuracy[0] for accuracy, _ in judged])
    chosen = np.append(thresholds, np.inf)[[at[0] for _, at in judged]]
    sem = per_fold.std(ddof=1) / np.sqrt(len(names))
    return FoldAccuracy(float(per_fold.mean()), float(per_fold.std()), float(sem), per_fold, sign(direction) * chosen)


def number_folds(same: Bool, folds: Int) -> tuple[Int, Int]:
    """The folds' names (F,) and the fold of each pair as a number from 0, (P,).

    DataError where there is one fold only, or where some training folds hold one label.
    """
    names, index = np.unique(folds, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"k-fold accuracy needs at least 2 folds, found {len(names)}")
    of_kind = np.stack([np.bincount(index[kind], minlength=len(names)) for kind in (same, ~same)])
    one_label = names[(of_kind == of_kind.sum(axis=1, keepdims=True)).any(axis=0)]
    if len(one_label):
        raise DataError(
            f"without fold {first_five(one_label)} all training pairs have one label, so no threshold can be chosen"
        )
    return names, index


def held_out(total: Counts, held: Counts) -> tuple[Float, Int]:
    """One fold's accuracy, and the index of the threshold chosen on the others (J: reject all), (R,) each.

    ``total``, ``held``: counts of all folds and of this one, at the same J thresholds, R samples each. NaN where the
    fold is empty, or its training folds hold one label only.
    """
    # An impostor alone makes a threshold worse than the one before it, or than rejecting all. So of the scores that the
    # training folds hold, only the genuine ones can be best.
    accepted = total.accepted - held.accepted
    gain = accepted - (total.passed - held.passed)  # right answers beyond those of "reject all"
    best = np.maximum(gain.max(axis=1), 0)
    row, place = np.divmod(np.flatnonzero(gain == best[:, None]), gain.shape[1])
    observed = accepted[row, place] > np.where(place > 0, accepted[row, place - 1], 0)
    row, place = row[observed], place[observed]
    count = np.bincount(row, minlength=len(gain))
    # The thresholds fall, so the lower median of m winners is number m // 2 from the left.
    chosen = np.append(place, 0)[np.cumsum(count) - count + count // 2]
    right = held.impostors + np.where(count > 0, pick(held.accepted, chosen) - pick(held.passed, chosen), 0)
    pairs = held.genuine + held.impostors
    both = (total.genuine > held.genuine) & (total.impostors > held.impostors)
    accuracy = np.where(both & (pairs > 0), right / np.maximum(pairs, 1), np.nan)
    return accuracy, np.where(count > 0, chosen, gain.shape[1])

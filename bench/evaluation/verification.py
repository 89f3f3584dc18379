"""Verification metrics from raw scores: exact k-fold accuracy, TAR at FAR, EER, AUC and the ROC itself.

A pair is accepted iff its score is at least the threshold. Every metric depends on the order of the scores
only, so each commutes with every strictly increasing rescale; nothing is shuffled, gridded or guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from bench.errors import DataError

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Far = str | Decimal | Fraction | float


@dataclass(frozen=True, eq=False)
class FoldAccuracy:
    """k-fold accuracy, a share in [0, 1]: ``mean`` over folds, ``sd`` over folds (ddof 0), ``sem`` = sd (ddof 1) / √F.

    ``sem`` is what LFW's authors define (Huang et al., Labeled Faces in the Wild, UMass report 07-49, 2007).
    ``per_fold`` and ``thresholds``: (F,) float64 in ascending order of fold. A threshold is +inf where
    rejecting every pair is best.
    """

    mean: float
    sd: float
    sem: float
    per_fold: Float
    thresholds: Float


@dataclass(frozen=True)
class TarAtFar:
    """The largest TAR at which at most ``allowed`` = ⌊far·N⌋ of the N impostors are let through.

    ``far`` is normalised ("1e-3"). ``threshold`` is the highest that reaches ``tar`` (+inf if no genuine pair passes).
    ``tar`` and ``threshold`` are None where far < 1/N: not measurable.
    """

    far: str
    tar: float | None
    threshold: float | None
    allowed: int


@dataclass(frozen=True, eq=False)
class Roc:
    """Points of the ROC from (0, 0) to (1, 1): ``far``, ``tar`` and falling ``thresholds`` (from +inf), (K,) each."""

    far: Float
    tar: Float
    thresholds: Float


@dataclass(frozen=True, eq=False)
class Verification:
    """Everything that one protocol's scores say."""

    accuracy: FoldAccuracy
    eer: float
    auc: float
    tar_at_far: tuple[TarAtFar, ...]

    def metrics(self) -> dict[str, float | None]:
        """Named numbers, shares in [0, 1] but for the thresholds; None: not measurable, or a threshold is +inf."""
        thresholds = self.accuracy.thresholds
        return {
            "accuracy": self.accuracy.mean,
            "accuracy_fold_sd": self.accuracy.sd,
            "accuracy_sem": self.accuracy.sem,
            "threshold_mean": float(thresholds.mean()) if np.isfinite(thresholds).all() else None,
            "eer": self.eer,
            "auc": self.auc,
            **{f"tar_at_far_{point.far}": point.tar for point in self.tar_at_far},
        }


def verify(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike, *, fars: Iterable[Far]) -> Verification:
    """Every metric of one protocol; arguments and errors as for `kfold_accuracy`, ``fars`` as for `tar_at_far`."""
    values, genuine, fold = check_pairs(scores, same, folds)
    accuracy = kfold_accuracy(values, genuine, fold)
    positive, negative = values[genuine], values[~genuine]
    return Verification(
        accuracy,
        eer(positive, negative),
        auc(positive, negative),
        tuple(tar_at_far(positive, negative, far) for far in fars),
    )


def kfold_accuracy(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> FoldAccuracy:
    """Accuracy on each fold at the threshold chosen on the others.

    The candidates are the distinct scores observed in the training folds. Among those with the best training
    accuracy the lower median is taken; +inf (reject all) only if it is strictly better than each of them.

    ``scores``: (P,) finite reals, higher is more alike. ``same``: (P,) bool. ``folds``: (P,) integers, in any order.
    Raises DataError for scores that are not finite, lengths that differ, a single fold, or training folds that hold one
    label only. A held-out fold with one label is legal.
    """
    values, genuine, fold = check_pairs(scores, same, folds)
    names, index = np.unique(fold, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"k-fold accuracy needs at least 2 folds, found {len(names)}")
    of_kind = np.stack([np.bincount(index[kind], minlength=len(names)) for kind in (genuine, ~genuine)])
    one_label = np.flatnonzero((of_kind == of_kind.sum(axis=1, keepdims=True)).any(axis=0))
    if len(one_label):
        raise DataError(
            f"without fold {names[one_label[0]]} all training pairs have one label, so no threshold can be chosen"
        )
    accuracy, thresholds = weighted_folds(values, genuine, fold, np.ones((1, len(values)), dtype=np.int64))
    per_fold = accuracy[0]
    sem = per_fold.std(ddof=1) / np.sqrt(len(names))
    return FoldAccuracy(float(per_fold.mean()), float(per_fold.std()), float(sem), per_fold, thresholds[0])


def weighted_folds(scores: Float, same: Bool, folds: Int, weights: Int) -> tuple[Float, Float]:
    """Accuracies and thresholds (R, F) of `kfold_accuracy` when pair i of replicate r occurs ``weights[r, i]`` times.

    ``weights``: (R, P) int64 ≥ 0; the arguments are trusted. A fold without weight in a replicate has accuracy NaN.
    """
    order = np.argsort(-scores, kind="stable")
    descending, fold, weight = scores[order], folds[order], weights[:, order]
    # What accepting a pair adds to the number of right answers, so "reject all" stands at 0.
    gain = np.where(same[order], weight, -weight)
    results = [_held_out(descending, weight, gain, fold == name) for name in np.unique(folds)]
    return np.stack([r[0] for r in results], axis=1), np.stack([r[1] for r in results], axis=1)


def _held_out(descending: Float, weight: Int, gain: Int, held: Bool) -> tuple[Float, Float]:
    """One fold's accuracy and threshold, (R,) each; the columns of all arguments are in falling order of score."""
    candidates, starts = _runs(descending[~held])
    observed = np.add.reduceat(weight[:, ~held], starts, axis=1) > 0
    gained = np.cumsum(np.add.reduceat(gain[:, ~held], starts, axis=1), axis=1)
    best = np.max(gained, axis=1, where=observed, initial=-1)
    winners = observed & (gained == best[:, None])
    count = winners.sum(axis=1)
    accepts = best >= 0
    # The candidates fall, so the lower median of m winners is number m // 2 from the left.
    median = (np.cumsum(count) - count + count // 2)[accepts]
    threshold = np.full(len(weight), np.inf)
    threshold[accepts] = candidates[np.nonzero(winners)[1][median]]

    passed = np.searchsorted(-descending[held], -threshold, side="right")
    held_gain = np.pad(np.cumsum(gain[:, held], axis=1), ((0, 0), (1, 0)))
    total = weight[:, held].sum(axis=1)
    impostors = (total - held_gain[:, -1]) // 2
    correct = impostors + held_gain[np.arange(len(weight)), passed]
    return np.where(total > 0, correct / np.maximum(total, 1), np.nan), threshold


def _runs(ordered: Float) -> tuple[Float, Int]:
    """The distinct values of a sorted array, in its order, and the index at which each starts."""
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return ordered[starts], starts


def check_pairs(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> tuple[Float, Bool, Int]:
    """The three arrays (P,) of a protocol as float64, bool and int64; DataError if they cannot be that."""
    values, genuine, fold = np.asarray(scores), np.asarray(same), np.asarray(folds)
    if values.ndim != 1 or not values.shape == genuine.shape == fold.shape:
        raise DataError(
            f"scores, same and folds must be (P,) of one length, found {values.shape}, {genuine.shape} and {fold.shape}"
        )
    if genuine.dtype != np.bool_:
        raise DataError(f"same must be boolean (True: one person), found {genuine.dtype}")
    if not np.issubdtype(fold.dtype, np.integer):
        raise DataError(f"folds must be integers, found {fold.dtype}")
    return _finite(values, "pair"), genuine, fold.astype(np.int64)


def _finite(scores: npt.ArrayLike, what: str) -> Float:
    values = np.asarray(scores, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        more = f", … ({len(wrong)} in all)" if len(wrong) > 10 else ""
        raise DataError(
            f"scores must be finite, found NaN or infinity at {what} {', '.join(map(str, wrong[:10]))}{more}"
        )
    return values


def _two_samples(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> tuple[Float, Float]:
    positive, negative = _finite(genuine, "genuine pair"), _finite(impostor, "impostor pair")
    for kind, values in (("genuine", positive), ("impostor", negative)):
        if values.ndim != 1 or not len(values):
            raise DataError(f"{kind} scores must be (N,) with at least one pair, found {values.shape}")
    return positive, negative


def tar_at_far(genuine: npt.ArrayLike, impostor: npt.ArrayLike, far: Far) -> TarAtFar:
    """The largest TAR over thresholds that let through at most k = ⌊far·N⌋ impostors, k exact.

    ``genuine`` (M,), ``impostor`` (N,): finite scores, M, N ≥ 1. ``far`` in (0, 1): a string, Decimal or
    Fraction is taken as it is, a float by its shortest decimal (.29 is 29/100), so ⌊.29·100⌋ is 29. Raises
    DataError otherwise.
    """
    positive, negative = _two_samples(genuine, impostor)
    rate = exact_rate(far)
    name, allowed = rate_text(rate), int(rate * len(negative))
    if allowed == 0:
        return TarAtFar(name, None, None, 0)
    place = len(negative) - 1 - allowed
    # The threshold lies above the (k+1)-th largest impostor, ties included.
    accepted = positive[positive > np.partition(negative, place)[place]]
    threshold = float(accepted.min()) if len(accepted) else np.inf
    return TarAtFar(name, len(accepted) / len(positive), threshold, allowed)


def exact_rate(far: Far) -> Fraction:
    """``far`` as an exact fraction in (0, 1); a float stands for its shortest decimal. DataError for anything else."""
    try:
        rate = far if isinstance(far, Fraction) else Fraction(str(far))
    except (ValueError, ZeroDivisionError):
        raise DataError(f"a false accept rate must be a number such as 1e-3, found {far!r}") from None
    if not 0 < rate < 1:
        raise DataError(f"a false accept rate must lie in (0, 1), found {far!r}")
    return rate


def rate_text(rate: Fraction) -> str:
    """One spelling for each rate: ``1e-3``, ``2.9e-1``; a fraction without a finite decimal stays ``1/3``."""
    decimal = (Decimal(rate.numerator) / rate.denominator).normalize()
    return f"{decimal:e}" if Fraction(decimal) == rate else str(rate)


def roc(genuine: npt.ArrayLike, impostor: npt.ArrayLike, *, max_points: int | None = None) -> Roc:
    """Every operating point, one for each distinct score and one that rejects all; scores as for `tar_at_far`.

    With ``max_points`` ≥ 4, at most so many of these points: the two ends, and those nearest to the left of an
    even grid on log FAR and of one on log FRR, so that both tails keep their shape on log axes.
    """
    thresholds, accepted, passed = _operating_points(*_two_samples(genuine, impostor))
    far, tar = passed / passed[-1], accepted / accepted[-1]
    if max_points is None or len(far) <= max_points:
        return Roc(far, tar, thresholds)
    if max_points < 4:
        raise DataError(f"max_points must be at least 4, found {max_points}")
    half = max_points // 2 - 1
    by_far = np.searchsorted(far, np.geomspace(1 / passed[-1], 1, half), side="right") - 1
    by_frr = np.searchsorted(tar, 1 - np.geomspace(1, 1 / accepted[-1], half), side="right") - 1
    keep = np.unique(np.concatenate([[0, len(far) - 1], by_far, by_frr]))
    return Roc(far[keep], tar[keep], thresholds[keep])


def eer(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> float:
    """Equal error rate: FAR where FAR = FRR on the ROC's points joined by straight lines; scores as for `tar_at_far`.

    Along that line FAR − FRR rises strictly from −1 to 1, so there is exactly one crossing. Genuine and
    impostor pairs that tie make one slanted segment, which is what accepting a share of them at random would
    give (as AUC's half credit).
    """
    _, accepted, passed = _operating_points(*_two_samples(genuine, impostor))
    far, frr = passed / passed[-1], 1 - accepted / accepted[-1]
    after = int(np.argmax(far >= frr))
    before = after - 1
    gap_before, gap_after = frr[before] - far[before], far[after] - frr[after]
    return float(far[before] + (far[after] - far[before]) * gap_before / (gap_before + gap_after))


def auc(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> float:
    """Mann-Whitney: share of (genuine, impostor) couples in the right order, ties half; as for `tar_at_far`."""
    _, accepted, passed = _operating_points(*_two_samples(genuine, impostor))
    doubled = int(np.sum(np.diff(passed) * (accepted[1:] + accepted[:-1])))
    return doubled / (2 * int(accepted[-1]) * int(passed[-1]))


def _operating_points(genuine: Float, impostor: Float) -> tuple[Float, Int, Int]:
    """Thresholds from +inf down through the distinct scores, and how many of each kind pass at each, (K,) each."""
    scores = np.concatenate([genuine, impostor])
    order = np.argsort(-scores, kind="stable")
    distinct, starts = _runs(scores[order])
    thresholds = np.concatenate([[np.inf], distinct])
    accepted = np.cumsum(np.concatenate([[0], np.add.reduceat((order < len(genuine)).astype(np.int64), starts)]))
    return thresholds, accepted, np.concatenate([[0], np.append(starts[1:], len(scores))]) - accepted

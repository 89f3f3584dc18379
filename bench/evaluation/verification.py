"""Verification metrics from raw scores: exact k-fold accuracy, TAR at FAR, EER, AUC, minDCF, d′ and the ROC itself.

A pair is accepted iff its score is at least the threshold (at most, for a distance). Every metric but d′ depends on
the order of the scores only, so it commutes with every strictly increasing rescale; nothing is shuffled, gridded or
guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.counts import NIST_2016, Counts, DetectionCost, thresholds_of
from bench.evaluation.folds import FoldAccuracy, accuracy_of
from bench.evaluation.pairs import Direction, Float, Int, check_folds, check_kinds, check_pairs, sign
from bench.evaluation.rates import Far, exact_rate, rate_text
from bench.evaluation.separation import Moments, d_primes


@dataclass(frozen=True)
class TarAtFar:
    """The largest TAR at which at most ``allowed`` = ⌊far·N⌋ of the N impostors are let through.

    ``far`` is normalised ("1e-3"). ``threshold`` is the strictest that reaches ``tar`` (+inf, or −inf for a distance,
    if no genuine pair passes). ``tar`` and ``threshold`` are None where far < 1/N: not measurable.
    """

    far: str
    tar: float | None
    threshold: float | None
    allowed: int


@dataclass(frozen=True, eq=False)
class Roc:
    """Points of the ROC from (0, 0) to (1, 1): ``far``, ``tar`` and ``thresholds`` (K,) each, from reject-all on."""

    far: Float
    tar: Float
    thresholds: Float


@dataclass(frozen=True, eq=False)
class Verification:
    """Everything that one protocol's scores say. ``accuracy`` is None where there are no folds, ``d_prime`` where both
    kinds' scores are constant."""

    accuracy: FoldAccuracy | None
    eer: float
    auc: float
    min_dcf: float
    d_prime: float | None
    tar_at_far: tuple[TarAtFar, ...]

    def metrics(self) -> dict[str, float | None]:
        """Named numbers, shares in [0, 1] but for thresholds and d′; None: not measurable, or a threshold infinite."""
        folds = self.accuracy
        known = folds is not None and np.isfinite(folds.thresholds).all()
        return {
            "accuracy": folds.mean if folds else None,
            "accuracy_fold_sd": folds.sd if folds else None,
            "accuracy_sem": folds.sem if folds else None,
            "threshold_mean": float(folds.thresholds.mean()) if folds and known else None,
            "eer": self.eer,
            "auc": self.auc,
            "min_dcf": self.min_dcf,
            "d_prime": self.d_prime,
            **{f"tar_at_far_{point.far}": point.tar for point in self.tar_at_far},
        }


def verify(
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    folds: npt.ArrayLike | None,
    *,
    fars: Iterable[Far],
    cost: DetectionCost = NIST_2016,
    direction: Direction = "similarity",
) -> Verification:
    """Every metric of one protocol. The scores are used as given.

    ``scores``: (P,) finite reals; ``same``: (P,) bool, True for a genuine pair; ``folds``: (P,) integers, in any order,
    or None for a protocol without folds, which has no accuracy. ``direction`` says whether a higher score means more
    alike ("similarity") or less ("distance"). Raises DataError for scores that are not finite (saying which pairs),
    lengths that differ, pairs of one kind only, and as `kfold_accuracy` and `tar_at_far` do.
    """
    values, genuine = check_pairs(scores, same, direction)
    rates = [exact_rate(far) for far in fars]
    fold = None if folds is None else check_folds(folds, len(values))
    accuracy = None if fold is None else accuracy_of(values, genuine, fold, direction)
    positive, negative = np.sort(values[genuine]), np.sort(values[~genuine])
    thresholds = thresholds_of(positive)
    counts = Counts.at(thresholds, positive, negative)
    return Verification(
        accuracy,
        float(counts.eer()[0]),
        float(counts.auc()[0]),
        float(counts.min_dcf(cost)[0]),
        _d_prime(positive, negative),
        tuple(_tar(counts, thresholds, rate, direction) for rate in rates),
    )


def tar_at_far(
    genuine: npt.ArrayLike, impostor: npt.ArrayLike, far: Far, *, direction: Direction = "similarity"
) -> TarAtFar:
    """The largest TAR over thresholds that let through at most k = ⌊far·N⌋ impostors, k exact.

    ``genuine`` (M,), ``impostor`` (N,): finite scores, M, N ≥ 1. ``far`` in (0, 1): a string, Decimal or Fraction is
    taken as it is, a float by its shortest decimal (.29 is 29/100), so ⌊.29·100⌋ is 29. Raises DataError otherwise.
    """
    counts, thresholds = _counts(genuine, impostor, direction)
    return _tar(counts, thresholds, exact_rate(far), direction)


def eer(genuine: npt.ArrayLike, impostor: npt.ArrayLike, *, direction: Direction = "similarity") -> float:
    """Equal error rate: FAR where FAR = FRR on the ROC's points joined by straight lines; scores as for `tar_at_far`.

    Along that line FAR − FRR rises strictly from −1 to 1, so there is exactly one crossing. Genuine and impostor pairs
    that tie make one slanted segment, which is what accepting a share of them at random would give (as AUC's half
    credit).
    """
    return float(_counts(genuine, impostor, direction)[0].eer()[0])


def auc(genuine: npt.ArrayLike, impostor: npt.ArrayLike, *, direction: Direction = "similarity") -> float:
    """Mann-Whitney: share of (genuine, impostor) couples in the right order, ties half; as for `tar_at_far`."""
    return float(_counts(genuine, impostor, direction)[0].auc()[0])


def min_dcf(
    genuine: npt.ArrayLike,
    impostor: npt.ArrayLike,
    cost: DetectionCost = NIST_2016,
    *,
    direction: Direction = "similarity",
) -> float:
    """NIST's minimum detection cost, the least C(t) of `DetectionCost` over every operating point, normalised.

    The norm is C of the better of accepting all and rejecting all, min(c_miss·p_target, c_fa·(1 − p_target)), so the
    value lies in [0, 1], and 1 means that the scores help nothing. Scores as for `tar_at_far`.
    """
    return float(_counts(genuine, impostor, direction)[0].min_dcf(cost)[0])


def d_prime(genuine: npt.ArrayLike, impostor: npt.ArrayLike, *, direction: Direction = "similarity") -> float | None:
    """d′ = (μ_g − μ_i) / √((σ_g² + σ_i²) / 2) with variances of ddof 0; None where both are zero.

    Daugman, Biometric decision landscapes, Cambridge report 482, 2000, but with its sign: negative where impostors
    score higher. The one metric here that a rescale of the scores changes, unless it is linear: compare it only between
    scores of one kind. Scores as for `tar_at_far`.
    """
    return _d_prime(*check_kinds(genuine, impostor, direction))


def roc(
    genuine: npt.ArrayLike,
    impostor: npt.ArrayLike,
    *,
    max_points: int | None = None,
    direction: Direction = "similarity",
) -> Roc:
    """Every operating point, one for each distinct score and one that rejects all; scores as for `tar_at_far`.

    With ``max_points`` ≥ 4, at most so many of these points: the two ends, and those nearest to the left of an even
    grid on log FAR and of one on log FRR, so that both tails keep their shape on log axes.
    """
    positive, negative = (np.sort(values) for values in check_kinds(genuine, impostor, direction))
    distinct = np.unique(np.concatenate([positive, negative]))[::-1]
    thresholds = np.append(np.inf, distinct) * sign(direction)
    accepted, passed = (_reaching(values, distinct) for values in (positive, negative))
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


def _reaching(rising: Float, thresholds: Float) -> Int:
    """How many scores reach +inf and each threshold."""
    return np.append(0, len(rising) - np.searchsorted(rising, thresholds))


def _counts(genuine: npt.ArrayLike, impostor: npt.ArrayLike, direction: Direction) -> tuple[Counts, Float]:
    positive, negative = (np.sort(values) for values in check_kinds(genuine, impostor, direction))
    thresholds = thresholds_of(positive)
    return Counts.at(thresholds, positive, negative), thresholds


def _tar(counts: Counts, thresholds: Float, rate: Fraction, direction: Direction) -> TarAtFar:
    (tar,), (legal,), (allowed,) = counts.tar(rate)
    if allowed == 0:
        return TarAtFar(rate_text(rate), None, None, 0)
    threshold = thresholds[legal - 1] if legal else np.inf
    return TarAtFar(rate_text(rate), float(tar), float(sign(direction) * threshold), int(allowed))


def _d_prime(genuine: Float, impostor: Float) -> float | None:
    (value,) = d_primes(Moments.of(genuine), Moments.of(impostor))
    return None if np.isnan(value) else float(value)

"""Verification metrics with stated rules. Scores are similarities and are used as given; nothing is guessed.

A pair is accepted iff its score ≥ t. Every metric is invariant to the order of pairs and to strictly increasing
rescaling of the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from bench.errors import DataError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FoldAccuracy:
    """k-fold accuracy: shares in [0, 1]; ``sd`` over folds with ddof 0, ``sem`` = sd (ddof 1) / √folds."""

    mean: float
    sd: float
    sem: float
    per_fold: Floats
    thresholds: Floats


@dataclass(frozen=True)
class TarAtFar:
    """``tar`` is None where the rate is below one impostor: not measurable. ``impostors``: how many passed."""

    far: str
    tar: float | None
    threshold: float
    impostors: int


@dataclass(frozen=True)
class Roc:
    """Exact steps: false and true accept rates (K,) at falling ``thresholds`` (K,), the first of them +∞."""

    far: Floats
    tar: Floats
    thresholds: Floats


@dataclass(frozen=True)
class Verification:
    """Everything that a set of scored pairs says."""

    accuracy: FoldAccuracy
    tars: tuple[TarAtFar, ...]
    eer: float
    auc: float

    def metrics(self) -> dict[str, float | None]:
        """Named numbers; shares in [0, 1]; None is not measurable."""
        return {
            "accuracy": self.accuracy.mean,
            "accuracy_fold_sd": self.accuracy.sd,
            "accuracy_sem": self.accuracy.sem,
            "eer": self.eer,
            "auc": self.auc,
            **{f"tar_at_far_{found.far}": found.tar for found in self.tars},
        }


def verify(
    scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike, *, fars: Sequence[str | Decimal | float]
) -> Verification:
    """All metrics of P scored pairs: scores (P,), same (P,) bool, folds (P,) int. Raises DataError for bad input."""
    s, y, f = _checked(scores, same, folds)
    genuine, impostor = s[y], s[~y]
    return Verification(
        kfold_accuracy(s, y, f),
        tuple(tar_at_far(genuine, impostor, far) for far in fars),
        eer(genuine, impostor),
        auc(genuine, impostor),
    )


def kfold_accuracy(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> FoldAccuracy:
    """Accuracy of each fold at the threshold chosen on all the others.

    Among the distinct training scores that reach the best training accuracy, t is the lower median; +∞ (reject all)
    only if strictly better than all of them. A held-out fold may hold one label; training folds may not.
    """
    s, y, f = _checked(scores, same, folds)
    names, fold = np.unique(f, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"k-fold accuracy needs at least 2 folds, found {len(names)}")
    levels, level = np.unique(s, return_inverse=True)
    shape = (len(names), len(levels))
    genuine, impostor = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    np.add.at(genuine, (fold[y], level[y]), 1)
    np.add.at(impostor, (fold[~y], level[~y]), 1)
    # Correct decisions of each fold at t = levels[k]: genuine pairs at or above it, impostors below it.
    correct = genuine[:, ::-1].cumsum(axis=1)[:, ::-1] + impostor.cumsum(axis=1) - impostor
    rejected = impostor.sum(axis=1)
    sizes = np.bincount(fold)
    accuracies, thresholds = np.empty(len(names)), np.empty(len(names))
    for k in range(len(names)):
        seen = (genuine + impostor).sum(axis=0) - genuine[k] - impostor[k] > 0
        n_genuine = genuine.sum() - genuine[k].sum()
        n_impostor = impostor.sum() - impostor[k].sum()
        if not n_genuine or not n_impostor:
            raise DataError(f"without fold {names[k]} all training pairs have one label, so no threshold can be chosen")
        training = np.where(seen, correct.sum(axis=0) - correct[k], -1)
        best = training.max()
        if rejected.sum() - rejected[k] > best:
            thresholds[k], right = np.inf, rejected[k]
        else:
            reach = np.flatnonzero(training == best)
            chosen = reach[(len(reach) - 1) // 2]
            thresholds[k], right = levels[chosen], correct[k, chosen]
        accuracies[k] = right / sizes[k]
    sem = accuracies.std(ddof=1) / np.sqrt(len(names))
    return FoldAccuracy(float(accuracies.mean()), float(accuracies.std()), float(sem), accuracies, thresholds)


def exact_rate(far: str | Decimal | Fraction | float) -> Fraction:
    """A rate as an exact fraction; floats by their shortest decimal text (0.29 is 29/100)."""
    rate = far if isinstance(far, Fraction) else Fraction(str(far))
    if not 0 < rate < 1:
        raise DataError(f"a false accept rate lies between 0 and 1, found {far}")
    return rate


def tar_at_far(genuine: npt.ArrayLike, impostor: npt.ArrayLike, far: str | Decimal | Fraction | float) -> TarAtFar:
    """The largest true accept rate over thresholds that let through at most ⌊far·N⌋ of N impostors."""
    g, i = np.asarray(genuine, np.float64), np.sort(np.asarray(impostor, np.float64))[::-1]
    most = int(exact_rate(far) * len(i))
    if most == 0:
        return TarAtFar(str(far), None, float("nan"), 0)
    accepted = g > i[most]
    above = np.concatenate([g[accepted], i[i > i[most]]])
    threshold = float(above.min()) if len(above) else float("inf")
    return TarAtFar(str(far), float(accepted.mean()), threshold, int((i > i[most]).sum()))


def roc(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> Roc:
    """The exact step points of the ROC, one for each distinct score and one for +∞."""
    g, i = np.sort(np.asarray(genuine, np.float64)), np.sort(np.asarray(impostor, np.float64))
    levels = np.unique(np.concatenate([g, i]))[::-1]
    tar = 1 - np.searchsorted(g, levels, side="left") / len(g)
    far = 1 - np.searchsorted(i, levels, side="left") / len(i)
    zero = np.zeros(1)
    return Roc(np.concatenate([zero, far]), np.concatenate([zero, tar]), np.concatenate([np.array([np.inf]), levels]))


def eer(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> float:
    """Equal error rate: where the polygon through the ROC's step points crosses FAR = 1 − TAR."""
    points = roc(genuine, impostor)
    gap = points.far - (1 - points.tar)
    after = int(np.argmax(gap >= 0))
    if gap[after] == 0 or after == 0:
        return float(points.far[after])
    weight = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(points.far[after - 1] + weight * (points.far[after] - points.far[after - 1]))


def auc(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> float:
    """Area under the ROC: the share of (genuine, impostor) couples ranked rightly, ties counting half."""
    g, i = np.asarray(genuine, np.float64), np.sort(np.asarray(impostor, np.float64))
    below = np.searchsorted(i, g, side="left")
    tied = np.searchsorted(i, g, side="right") - below
    return float((below + tied / 2).sum() / (len(g) * len(i)))


def _checked(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> tuple[Floats, Bools, Ints]:
    s, y, f = np.asarray(scores, np.float64), np.asarray(same), np.asarray(folds)
    if not (s.ndim == 1 and s.shape == y.shape == f.shape):
        raise DataError(f"scores, same and folds must be (P,) each, found {s.shape}, {y.shape} and {f.shape}")
    if y.dtype != np.bool_:
        raise DataError(f"same must be boolean (genuine or impostor), found {y.dtype}")
    bad = np.flatnonzero(np.isnan(s))
    if len(bad):
        shown = ", ".join(map(str, bad[:5]))
        raise DataError(f"{len(bad)} of {len(s)} scores are NaN (pairs {shown}{', …' if len(bad) > 5 else ''})")
    if y.all() or not y.any():
        raise DataError("all pairs have one label; verification needs genuine and impostor pairs")
    return s, y, f.astype(np.int64)

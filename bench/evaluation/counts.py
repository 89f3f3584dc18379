"""How many pairs reach each threshold, and the metrics that follow from these counts alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bench.errors import DataError
from bench.evaluation.pairs import Float, Int


@dataclass(frozen=True)
class DetectionCost:
    """What errors cost: C(t) = c_miss·p_target·FRR(t) + c_fa·(1 − p_target)·FAR(t).

    ``p_target`` in (0, 1), the share of genuine pairs that is expected in use; ``c_miss``, ``c_fa`` > 0. The defaults
    are the first operating point of NIST's 2016 Speaker Recognition Evaluation; the second has
    p_target = .005.
    """

    p_target: float = 0.01
    c_miss: float = 1.0
    c_fa: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.p_target < 1:
            raise DataError(f"p_target must lie in (0, 1), found {self.p_target}")
        for name, value in (("c_miss", self.c_miss), ("c_fa", self.c_fa)):
            if not 0 < value < np.inf:
                raise DataError(f"{name} must be positive and finite, found {value}")


NIST_2016 = DetectionCost()


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of pairs at J thresholds, for R samples at once; each metric is (R,), NaN where a sample lacks a kind.

    The thresholds are the distinct genuine scores, falling: between two of them only impostors change sides, so the ROC
    turns nowhere else. ``accepted``, ``passed``: (R, J) genuine and impostor pairs that reach a threshold; ``above``:
    (R, J) impostors strictly above it, fewer than ``passed`` where they tie with it. ``genuine``, ``impostors``: (R,)
    all of each kind.
    """

    accepted: Int
    passed: Int
    above: Int
    genuine: Int
    impostors: Int

    @classmethod
    def at(cls, thresholds: Float, genuine: Float, impostor: Float) -> Counts:
        """Counts (R = 1) of scores that are sorted, rising."""
        accepted = _reaching(genuine, thresholds)
        passed, above = _reaching(impostor, thresholds), _reaching(impostor, thresholds, above=True)
        return cls(accepted[None], passed[None], above[None], np.array([len(genuine)]), np.array([len(impostor)]))

    def tar(self, far: Fraction) -> tuple[Float, Int, Int]:
        """The largest TAR that lets through at most k = ⌊far·N⌋ impostors, the number of thresholds that do, and k.

        TAR is NaN where k = 0.
        """
        allowed = np.array([int(far * count) for count in self.impostors.tolist()], dtype=np.int64)
        legal = np.count_nonzero(self.passed <= allowed[:, None], axis=1)
        accepted = np.where(legal > 0, pick(self.accepted, np.maximum(legal - 1, 0)), 0)
        return self._defined(np.where(allowed > 0, accepted / self._genuine, np.nan)), legal, allowed

    def eer(self) -> Float:
        """FAR where FAR = FRR on the polygon through all operating points; where a genuine score ties with impostor
        scores that polygon is slanted."""
        gap = self._gap(self.passed, self.accepted)
        at = (gap >= 0).argmax(axis=1)
        before = np.where(at > 0, pick(self.accepted, np.maximum(at - 1, 0)), 0)
        above, passed = pick(self.above, at), pick(self.passed, at)
        # From the last threshold the polygon runs along FRR, then steps down, slanted by the ties.
        corner, end = self._gap(above[:, None], before[:, None])[:, 0], pick(gap, at)
        share = -corner / np.maximum(end - corner, 1)
        slanted = (above + share * (passed - above)) / self._impostors
        return self._defined(np.where(corner >= 0, (self.genuine - before) / self._genuine, slanted))

    def auc(self) -> Float:
        """Share of (genuine, impostor) couples in the right order, ties half."""
        steps = np.diff(self.accepted, axis=1, prepend=self.accepted.dtype.type(0))
        doubled = (steps * (2 * self.impostors[:, None] - self.above - self.passed)).sum(axis=1)
        return self._defined(doubled / (2 * self._genuine * self._impostors))

    def min_dcf(self, cost: DetectionCost) -> Float:
        """The smallest C(t) over all operating points, over that of the better of accepting and rejecting all."""
        miss, false_accept = cost.c_miss * cost.p_target, cost.c_fa * (1 - cost.p_target)
        costs = (miss / self._genuine)[:, None] * (self.genuine[:, None] - self.accepted)
        costs += (false_accept / self._impostors)[:, None] * self.passed
        least = np.minimum(costs.min(axis=1), miss)
        return self._defined(least / min(miss, false_accept))

    def _gap(self, passed: Int, accepted: Int) -> Int:
        """(FAR − FRR)·M·N, exact."""
        genuine, impostors = self.genuine[:, None], self.impostors[:, None]
        gap: Int = passed * genuine - (genuine - accepted) * impostors
        return gap

    @property
    def _genuine(self) -> Int:
        return np.maximum(self.genuine, 1)

    @property
    def _impostors(self) -> Int:
        return np.maximum(self.impostors, 1)

    def _defined(self, values: Float) -> Float:
        return np.where((self.genuine > 0) & (self.impostors > 0), values, np.nan)


def thresholds_of(genuine: Float) -> Float:
    """The distinct values of sorted scores, falling."""
    return np.unique(genuine)[::-1]


def _reaching(scores: Float, thresholds: Float, *, above: bool = False) -> Int:
    """How many of the scores, rising, are at each of the thresholds, falling, or above it."""
    below = np.searchsorted(scores, thresholds[::-1], side="right" if above else "left")  # faster where both rise
    return len(scores) - np.ascontiguousarray(below[::-1])


def pick(values: Int, at: Int) -> Int:
    """One value of each row."""
    return values[np.arange(len(values)), at]

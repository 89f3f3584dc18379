"""Pairs that are weighed by how often their people were drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.counts import Counts
from bench.evaluation.pairs import Bool, Float, Int, first_five
from bench.evaluation.separation import Moments, centre

BLOCK = 2**14
"""Pairs at a time, so that the working arrays of many replicates fit a processor's cache, however many pairs."""


def number_people(people: npt.ArrayLike, genuine: Bool) -> tuple[Int, int]:
    """People of both sides as numbers from 0, (P, 2), and how many there are; DataError where they contradict."""
    who = np.asarray(people)
    if who.shape != (len(genuine), 2) or not np.issubdtype(who.dtype, np.integer):
        raise DataError(f"people must be ({len(genuine)}, 2) integers, found {who.shape} {who.dtype}")
    wrong = np.flatnonzero((who[:, 0] == who[:, 1]) != genuine)
    if len(wrong):
        raise DataError(f"people and same disagree on whether pair {first_five(wrong)} is genuine")
    names = np.unique(who)
    return np.searchsorted(names, who), len(names)


def draw_people(draw: np.random.Generator, people: int, rows: int) -> Int:
    """How often each person is drawn, (rows, people), when as many are drawn with replacement as there are."""
    drawn = draw.integers(people, size=(rows, people)) + people * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * people).reshape(rows, people)


@dataclass(frozen=True, eq=False)
class Weighed:
    """Pairs of one kind, in falling order of score: scores (P,), and the person (genuine) or both people, (P,) each."""

    scores: Float
    people: tuple[Int, ...]

    def sums(self, times: Int, *reached: Int) -> tuple[list[Int], Moments]:
        """The weight of the first so many pairs, (R, J) for each (J,) of rising ``reached``, and the moments of all.

        A pair weighs the product of ``times`` (R, people) over its people. Sums have the type of ``times``.
        """
        middle = centre(self.scores) if len(self.scores) else 0.0
        counts = [np.zeros((len(times), len(at)), times.dtype) for at in reached]
        total = np.zeros((len(times), 1), times.dtype)
        first, second = np.zeros((2, len(times)))
        for start in range(0, len(self.scores), BLOCK):
            part = slice(start, start + BLOCK)
            weights = times.take(self.people[0][part], axis=1)
            for side in self.people[1:]:
                weights *= times.take(side[part], axis=1)
            centred = self.scores[part] - middle
            product = weights * centred
            first += product.sum(axis=1)
            product *= centred
            second += product.sum(axis=1)
            running = np.cumsum(weights, axis=1, dtype=times.dtype)
            running += total
            for at, found in zip(reached, counts, strict=True):
                low, high = np.searchsorted(at, [start, start + BLOCK], side="right")
                found[:, low:high] = running.take(at[low:high] - start - 1, axis=1)
            total = running[:, -1:]
        return counts, Moments(middle, total[:, 0].astype(np.float64), first, second)


@dataclass(frozen=True, eq=False)
class Sample:
    """Some of a protocol's pairs, and how many of them reach each threshold when each occurs once."""

    genuine: Weighed
    impostor: Weighed
    counts: Counts

    @classmethod
    def of(cls, scores: Float, same: Bool, people: Int, thresholds: Float) -> Sample:
        """``scores`` fall; ``people``: (P, 2)."""
        genuine = Weighed(scores[same], (people[same, 0],))
        impostor = Weighed(scores[~same], (people[~same, 0], people[~same, 1]))
        return cls(genuine, impostor, Counts.at(thresholds, genuine.scores[::-1], impostor.scores[::-1]))

    def weighed(self, times: Int) -> tuple[Counts, Moments, Moments]:
        """Counts, and moments of genuine and impostor scores, when people occur ``times`` (R, people)."""
        once = self.counts
        (accepted,), genuine = self.genuine.sums(times, once.accepted[0])
        tied = not np.array_equal(once.above, once.passed)
        found, impostor = self.impostor.sums(times, once.passed[0], *([once.above[0]] if tied else []))
        totals = genuine.count.astype(np.int64), impostor.count.astype(np.int64)
        return Counts(accepted, found[0], found[-1], *totals), genuine, impostor

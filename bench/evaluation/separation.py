"""d′: how many standard deviations genuine and impostor scores lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.evaluation.pairs import Float


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the scores of R samples: their number, and Σ(s − centre) and Σ(s − centre)², (R,) each."""

    centre: float
    count: Float
    first: Float
    second: Float

    @classmethod
    def of(cls, scores: Float) -> Moments:
        """Those of one sample."""
        centred = scores - centre(scores)
        sums = (np.array([float(value)]) for value in (len(scores), centred.sum(), np.square(centred).sum()))
        return cls(centre(scores), *sums)

    @property
    def mean(self) -> Float:
        mean: Float = self.centre + self.first / self.count
        return mean

    @property
    def variance(self) -> Float:
        """With ddof 0."""
        square = self.second / self.count
        variance = square - np.square(self.first / self.count)
        # Of one score that is repeated, rounding is all that the difference leaves.
        return np.where(variance > 1e-12 * square, variance, 0)


def centre(scores: Float) -> float:
    """A score near the middle: about it a sum of squares loses no digits, and is 0 where all scores are the same."""
    return float(np.partition(scores, len(scores) // 2)[len(scores) // 2])


def d_primes(genuine: Moments, impostor: Moments) -> Float:
    """d′ = (μ_g − μ_i) / √((σ_g² + σ_i²) / 2), (R,); NaN where a kind has no score or both variances are zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = np.sqrt((genuine.variance + impostor.variance) / 2)
        return np.where(pooled > 0, (genuine.mean - impostor.mean) / pooled, np.nan)

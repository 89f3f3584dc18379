"""d′: how many standard deviations genuine and impostor scores lie apart."""

from __future__ import annotations

import numpy as np

from bench.evaluation.pairs import Float, Int


def d_primes(genuine: Float, impostor: Float, genuine_weights: Int, impostor_weights: Int) -> Float:
    """d′ = (μ_g − μ_i) / √((σ_g² + σ_i²) / 2), (R,), ddof 0; NaN where a kind has no pair or both spreads are zero.

    ``genuine`` (M,), ``impostor`` (N,): scores, any order; the weights (R, M) and (R, N): how often each pair occurs.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # a kind without weight
        mean_g, variance_g = _moments(genuine, genuine_weights)
        mean_i, variance_i = _moments(impostor, impostor_weights)
        pooled = np.sqrt((variance_g + variance_i) / 2)
        return np.where(pooled > 0, (mean_g - mean_i) / pooled, np.nan)


def _moments(scores: Float, weights: Int) -> tuple[Float, Float]:
    """Mean and variance (ddof 0) of each replicate."""
    # About a score near the middle the one-pass formula loses no digits, and constant scores have no spread at all.
    centre = np.partition(scores, len(scores) // 2)[len(scores) // 2]
    centred = scores - centre
    total = weights.sum(axis=1, dtype=np.float64)
    product = weights * centred
    mean = product.sum(axis=1) / total
    product *= centred
    square = product.sum(axis=1) / total
    variance = square - mean**2
    # A replicate of one score repeated: what is left of the difference is rounding.
    return centre + mean, np.where(variance > 1e-12 * square, variance, 0)

"""The sums behind d′ where they lose digits most easily."""

import numpy as np

from bench.evaluation.resampling import Weighed
from bench.evaluation.separation import Moments, d_primes


def test_one_score_drawn_again_and_again_has_no_spread():
    """Each replicate draws a single person; sums of squares leave rounding where the spread is exactly zero."""
    scores = np.sort(np.random.default_rng(0).normal(size=40))[::-1]
    times = np.concatenate([np.eye(40, dtype=np.int64) * often for often in (1, 3, 7)])
    _, drawn = Weighed(scores, (np.arange(40),)).sums(times)
    assert drawn.variance.tolist() == [0.0] * len(times)
    np.testing.assert_allclose(drawn.mean, np.tile(scores, 3), rtol=1e-12)
    assert np.isnan(d_primes(drawn, Moments.of(np.full(5, 0.3)))).all()


def test_far_from_zero_no_digits_are_lost():
    scores = np.random.default_rng(1).normal(size=1000)
    near, far = Moments.of(scores), Moments.of(scores + 1e6)
    np.testing.assert_allclose(near.variance, np.var(scores), rtol=1e-12)
    np.testing.assert_allclose(far.variance, np.var(scores), rtol=1e-8)

"""Bootstrap intervals of the geometry of an embedding, over its identities."""

from __future__ import annotations

import numpy as np

from bench.errors import DataError
from bench.evaluation.bootstrap import Interval, percentile_interval
from bench.evaluation.geometry import Geometry
from bench.evaluation.resampling import draw_people


def geometry_intervals(
    geometry: Geometry, *, replicates: int = 1000, seed: int, level: float = 0.95
) -> dict[str, Interval]:
    """Percentile interval of every metric that is an average over identities, by its name.

    A replicate draws as many of the measured identities as there are, with replacement, and weighs each by the times it
    was drawn. What one identity is measured against stays as it is: its nearest neighbours (separation, further margin)
    and the top axis of all identities. ``isotropy_null`` is a simulation and has none. The same arguments give the same
    bits. A geometry that was not measured gives an empty dictionary.
    """
    if replicates < 1 or not 0 < level < 1:
        raise DataError(f"a bootstrap needs replicates ≥ 1 and 0 < level < 1, found {replicates} and {level}")
    found = {}
    for name, (numerator, denominator) in geometry.parts.items():
        people = len(numerator)
        # Each metric draws anew from the seed, so that all of them see the same people drawn.
        times = draw_people(np.random.default_rng(seed), people, replicates)
        below = times @ denominator
        values = np.where(below > 0, times @ numerator / np.where(below > 0, below, 1), np.nan)
        found[name] = percentile_interval(float(numerator.sum() / denominator.sum()), values, level, seed)
    return found

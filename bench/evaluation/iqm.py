"""Interquartile mean over many tasks and seeds, with a stratified bootstrap (Agarwal et al. 2021, arXiv:2108.13264)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.paired import check_level
from bench.evaluation.pairs import Float


@dataclass(frozen=True)
class IqmInterval:
    """``estimate`` and the percentile interval [``low``, ``high``]; ``runs`` of each task that were resampled."""

    estimate: float
    low: float
    high: float
    level: float
    runs: tuple[int, ...]
    replicates: int
    seed: int


def interquartile_mean(values: npt.ArrayLike) -> Float:
    """Mean of the middle half along the last axis: (…, n) → (…).

    Where n is not a multiple of 4, the two values at the quartiles count by the share of them that lies inside:
    of n = 5 the second and fourth count 3/4 and the sum is divided by 5/2. Raises DataError if empty or not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 1 or not array.shape[-1] or not np.isfinite(array).all():
        raise DataError(f"an interquartile mean needs finite values, at least one, found {array.shape}")
    n = array.shape[-1]
    place = np.arange(n)
    inside = np.minimum(place + 1, 3 * n / 4) - np.maximum(place, n / 4)
    weights = np.maximum(inside, 0) / (n / 2)
    mean: Float = np.sort(array, axis=-1) @ weights
    return mean


def iqm_interval(
    tasks: Sequence[npt.ArrayLike], *, runs_shared: bool, n: int = 2000, seed: int = 0, level: float = 0.95
) -> IqmInterval:
    """IQM of all values of all tasks, and its percentile interval when runs are drawn anew within each task.

    ``tasks``: for each task the values (M_t,) of its runs. ``runs_shared`` says whether run i is the same network in
    every task (seeds of one cell, tested on several protocols): then all tasks draw the same runs in a replicate,
    for what is good or bad luck on one protocol is so on the others. If not, each task draws its own, as in the
    paper. Percentiles of few runs are narrow: the paper advises ten or so.
    Raises DataError for no tasks, values that are not finite, or shared runs that differ in number.
    """
    check_level(level)
    if n < 1:
        raise DataError(f"a bootstrap needs n ≥ 1 replicates, found {n}")
    arrays = [np.asarray(values, dtype=np.float64) for values in tasks]
    runs = tuple(len(values) if values.ndim == 1 else 0 for values in arrays)
    if not runs or 0 in runs:
        raise DataError(f"each task needs values (runs,), found {', '.join(str(a.shape) for a in arrays) or 'no task'}")
    if runs_shared and len(set(runs)) > 1:
        raise DataError(f"tasks that share their runs must have equally many, found {', '.join(map(str, runs))}")
    draw = np.random.default_rng(seed)
    if runs_shared:
        chosen = draw.integers(runs[0], size=(n, runs[0]))
        drawn = [values[chosen] for values in arrays]
    else:
        drawn = [values[draw.integers(len(values), size=(n, len(values)))] for values in arrays]
    estimate = float(interquartile_mean(np.concatenate(arrays)))
    replicates = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return IqmInterval(estimate, float(low), float(high), level, runs, n, seed)

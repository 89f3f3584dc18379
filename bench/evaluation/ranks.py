"""Rows over many tasks: average ranks, the Friedman test and Nemenyi's critical difference.

The tests take tasks as independent (Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7,
2006). Protocols that test one network, and seeds that share a protocol, are not: with such tasks read the critical
difference as the least that could be told apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.pairs import Float


@dataclass(frozen=True, eq=False)
class Ranking:
    """Average ranks of k rows over N tasks, 1 is best.

    ``ranks``: (k,) float64. ``order``: row indices from best to worst. Two rows whose ranks differ by
    ``critical_difference`` or more are told apart at ``alpha``, all pairs of rows together; ``groups`` are the
    largest sets of rows that are not, in that order. ``friedman`` is χ² with ties corrected and ``friedman_p``
    its p; ``iman_davenport`` the less conservative F made from it, inf where all tasks rank alike, with its p.
    """

    ranks: Float
    order: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    critical_difference: float
    alpha: float
    friedman: float
    friedman_p: float
    iman_davenport: float
    iman_davenport_p: float
    tasks: int


def task_ranks(values: npt.ArrayLike, *, higher_is_better: bool) -> Float:
    """Ranks (N, k) of the k rows within each of N tasks, 1 is best; ties share the mean of their places.

    ``values``: (N, k) finite, a task a line. Raises DataError for anything else.
    """
    from scipy.stats import rankdata

    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise DataError(f"values must be (tasks, rows) with at least 2 rows, found {table.shape}")
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        places = ", ".join(f"task {task} row {row}" for task, row in wrong[:5])
        raise DataError(f"values must be finite, found NaN or infinity at {places} ({len(wrong)} in all)")
    ranks: Float = rankdata(-table if higher_is_better else table, axis=1)
    return ranks


def rank_rows(values: npt.ArrayLike, *, higher_is_better: bool, alpha: float = 0.05) -> Ranking:
    """Average ranks with critical difference; ``values`` as for `task_ranks`, at least 3 rows and 2 tasks.

    Critical difference: q √(k(k+1) / 6N), q being the upper ``alpha`` point of the studentised range of k, over √2.
    """
    from scipy.stats import chi2, f, studentized_range

    if not 0 < alpha < 1:
        raise DataError(f"alpha must lie in (0, 1), found {alpha}")
    ranks = task_ranks(values, higher_is_better=higher_is_better)
    tasks, rows = ranks.shape
    if rows < 3 or tasks < 2:
        raise DataError(f"ranks are compared over at least 2 tasks and 3 rows, found {tasks} and {rows}")
    mean = ranks.mean(axis=0)
    spread = ((ranks - (rows + 1) / 2) ** 2).sum()
    # All rows tie on every task: nothing to tell apart.
    friedman = float(tasks**2 * (rows - 1) * ((mean - (rows + 1) / 2) ** 2).sum() / spread) if spread else 0.0
    most = tasks * (rows - 1)
    alike = math.isclose(friedman, most, rel_tol=1e-12)
    against = math.inf if alike else (tasks - 1) * friedman / (most - friedman)
    # No p lies below the chance that all tasks happen to agree.
    least = 1 / math.factorial(rows) ** (tasks - 1)
    difference = float(studentized_range.ppf(1 - alpha, rows, np.inf)) / math.sqrt(2)
    difference *= math.sqrt(rows * (rows + 1) / (6 * tasks))
    order = tuple(int(row) for row in np.argsort(mean, kind="stable"))
    return Ranking(
        mean,
        order,
        _groups(mean, order, difference),
        difference,
        alpha,
        friedman,
        max(float(chi2.sf(friedman, rows - 1)), least),
        against,
        max(float(f.sf(against, rows - 1, (rows - 1) * (tasks - 1))), least),
        tasks,
    )


def _groups(mean: Float, order: tuple[int, ...], difference: float) -> tuple[tuple[int, ...], ...]:
    """Maximal stretches of ``order`` whose ends differ by less than ``difference``; single rows are no group."""
    found: list[tuple[int, ...]] = []
    reached = 0
    for start, row in enumerate(order):
        stop = start + 1
        while stop < len(order) and mean[order[stop]] - mean[row] < difference:
            stop += 1
        if stop > max(reached, start + 1):
            found.append(order[start:stop])
            reached = stop
    return tuple(found)

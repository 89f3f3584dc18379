"""A row against its baseline, one or a whole table of them: effect, interval and p, shares in percentage points."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from bench.errors import DataError
from bench.evaluation.paired import Comparison, PairedScores
from bench.evaluation.paired_bootstrap import bootstrap_people, bootstrap_seeds_and_people, needed

Name = TypeVar("Name", bound=Hashable)


def compare_rows(
    rows: PairedScores,
    metric: str = "accuracy",
    *,
    n: int | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Row A minus row B on one protocol: percentage points, or plain numbers for ``min_dcf`` and ``d_prime``.

    ``metric``: a name as `verify` gives it; k-fold accuracy needs ``rows.folds``. The sign is the metric's: where less
    is better (``eer``, ``min_dcf``) a negative effect speaks for A. With several seeds: `bootstrap_seeds_and_people`.
    With one seed training noise cannot be told from an effect, so it is `bootstrap_people`, and the method says that
    the interval is for these two networks only. ``n``: replicates, None for the method's own default. Raises DataError
    as these do.
    """
    chosen = {} if n is None else {"n": n}
    if rows.seeds > 1:
        found = bootstrap_seeds_and_people(rows, metric, seed=seed, level=level, **chosen)
    else:
        found = bootstrap_people(rows, metric, seed=seed, level=level, **chosen)
        found = replace(found, method=f"{found.method}; one seed: holds for these two networks only")
    return in_points(found) if found.unit == "share" else found


def compare_table(
    table: Mapping[Name, PairedScores],
    metrics: Mapping[Name, str] | None = None,
    *,
    n: int | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> dict[Name, Comparison]:
    """`compare_rows` for every entry of a table, in its order, with ``p_holm`` over all of them.

    ``metrics``: the metric of an entry, where it is not k-fold accuracy. Which comparisons make one table is for the
    author to say before looking; leaving out those that came to nothing makes the rest mean less.
    """
    metrics = metrics or {}
    stray = [repr(name) for name in metrics if name not in table]
    if stray:
        raise DataError(f"metrics for entries that are not in the table: {', '.join(stray[:5])} ({len(stray)} in all)")
    chosen = {name: metrics.get(name, "accuracy") for name in table}
    for name, rows in table.items():
        needed(rows, chosen[name])  # a misspelt metric is told before minutes of work
    found = {name: compare_rows(rows, chosen[name], n=n, seed=seed, level=level) for name, rows in table.items()}
    adjusted = holm([one.p for one in found.values()])
    return {name: replace(one, p_holm=p) for (name, one), p in zip(found.items(), adjusted, strict=True)}


def holm(p: Sequence[float | None]) -> list[float | None]:
    """p-values adjusted so that comparing each with α keeps the chance of any false finding at α or below.

    The i-th smallest of m is multiplied by m − i + 1, made monotone and cut at 1 (Holm, Scandinavian Journal of
    Statistics 6, 1979). None (not measurable) stays None and does not count. Raises DataError outside [0, 1].
    """
    known = [i for i, value in enumerate(p) if value is not None]
    values = np.array([p[i] for i in known], dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError(f"p-values must lie in [0, 1], found {', '.join(map(str, p))}")
    order = np.argsort(values, kind="stable")
    scaled = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted: list[float | None] = [None] * len(p)
    for place, value in zip(order, scaled, strict=True):
        adjusted[known[place]] = min(1.0, float(value))
    return adjusted


def in_points(found: Comparison) -> Comparison:
    """A comparison of shares in percentage points."""
    return replace(
        found,
        effect=100 * found.effect,
        se=_hundredfold(found.se),
        low=_hundredfold(found.low),
        high=_hundredfold(found.high),
        unit="percentage points",
    )


def _hundredfold(value: float | None) -> float | None:
    return None if value is None else 100 * value

"""Two rows compared by what their evaluations kept: values and replicates, without their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bench.errors import DataError
from bench.evaluation.comparison import in_points
from bench.evaluation.paired import Comparison, check_level
from bench.evaluation.paired_bootstrap import people_interval, seeds_and_people_interval, unit_of
from bench.evaluation.pairs import Float

REPLICATES = "replicates."
"""Before a metric's name: the array of its replicates in an evaluation."""

PAIRED_T = "paired t over seeds"
WELCH = "Welch's t over seeds that are not paired"
EQUAL = 1e-12
"""A standard error below this is rounding: values that are all the same say nothing of their spread."""
THESE_ONLY = "one seed: holds for these two networks only"


@dataclass(frozen=True, eq=False)
class Measured:
    """One metric of one network on one protocol.

    ``value``: a share, or a plain number. ``replicates``: (R,) of the bootstrap over people, NaN where the metric has
    none, or None where none were kept. ``test``: digest of the protocol's lists, "" where it is not known. ``drawn``:
    what the draws of people depend on beside these, so that equal ``test`` and ``drawn`` mean the same people.
    """

    value: float
    replicates: Float | None = None
    test: str = ""
    drawn: tuple[int, ...] = ()


Row = Mapping[int, Measured]
"""Training seed → what its network measured."""


def compare_measured(a: Row, b: Row, metric: str, *, level: float = 0.95) -> Comparison:
    """Row A minus row B: percentage points for shares, else the metric's own unit; ``method`` says what was done.

    Seeds that both rows have are paired, the others left out: `bootstrap_seeds_and_people` where all kept replicates of
    the same draws, `bootstrap_people` where there is one such seed, else Student's t of the differences, which holds
    no noise of the test set. Rows that share no seed: Welch's t, or no interval below two seeds a row. What
    cannot be told is None. Raises DataError for a row without seeds and for rows tested on different pairs.
    """
    check_level(level)
    if not a or not b:
        raise DataError(f"nothing to compare: {len(a)} and {len(b)} seeds have a value of {metric}")
    tests = {one.test for one in (*a.values(), *b.values())} - {""}
    if len(tests) > 1:
        raise DataError(
            f"{metric} was not measured on the same pairs: lists {', '.join(sorted(t[:12] for t in tests))}"
        )
    seeds = [seed for seed in a if seed in b]
    if not seeds:
        return _points(_unpaired(a, b, metric, level))
    effects = np.array([a[seed].value - b[seed].value for seed in seeds])
    drawn = _drawn([(a[seed], b[seed]) for seed in seeds])
    if drawn is None:
        return _points(_student(effects, metric, level))
    counts = {"seeds": len(seeds), "replicates": drawn.shape[0]}
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    counts["undefined"] = counts["replicates"] - len(drawn)
    if len(drawn) < 2:
        return _points(_student(effects, metric, level))
    if len(seeds) > 1:
        return _points(seeds_and_people_interval(effects, drawn, metric, level=level, counts=counts))
    found = people_interval(effects, drawn, metric, level=level, counts=counts)
    return _points(replace(found, method=f"{found.method}; {THESE_ONLY}"))


def _drawn(pairs: list[tuple[Measured, Measured]]) -> Float | None:
    """Replicates (R, S) of the differences; None unless all are of the same draws of the same people."""
    if len({(one.test, one.drawn) for pair in pairs for one in pair}) > 1 or not pairs[0][0].test:
        return None
    columns = [
        np.asarray(one.replicates, dtype=np.float64) - other.replicates
        for one, other in pairs
        if one.replicates is not None and other.replicates is not None
    ]
    return np.stack(columns, axis=1) if len(columns) == len(pairs) else None


def _student(effects: Float, metric: str, level: float) -> Comparison:
    from scipy.special import stdtr, stdtrit

    seeds, effect = len(effects), float(effects.mean())
    unit, counts = unit_of(metric), {"seeds": seeds}
    if seeds < 2:
        return Comparison(f"difference of {THESE_ONLY}", effect, None, None, None, level, None, counts, unit)
    se = float(effects.std(ddof=1) / np.sqrt(seeds))
    if se < EQUAL:
        method = f"{PAIRED_T}, whose differences are all equal"
        return Comparison(method, effect, se, None, None, level, None, counts, unit)
    half = float(stdtrit(seeds - 1, (1 + level) / 2)) * se
    p = 2 * float(stdtr(seeds - 1, -abs(effect) / se))
    return Comparison(PAIRED_T, effect, se, effect - half, effect + half, level, p, counts, unit)


def _unpaired(a: Row, b: Row, metric: str, level: float) -> Comparison:
    from scipy.special import stdtr, stdtrit

    rows = [np.array([one.value for one in row.values()]) for row in (a, b)]
    effect, sizes = float(rows[0].mean() - rows[1].mean()), [len(row) for row in rows]
    counts, unit = {"seeds": sum(sizes), "seeds_a": sizes[0], "seeds_b": sizes[1]}, unit_of(metric)
    if min(sizes) < 2:
        method = (
            f"difference of means over {sizes[0]} and {sizes[1]} seeds that are not paired: too few for an interval"
        )
        return Comparison(method, effect, None, None, None, level, None, counts, unit)
    parts = [float(row.var(ddof=1)) / len(row) for row in rows]
    se = float(np.sqrt(sum(parts)))
    if se < EQUAL:
        return Comparison(f"{WELCH}, each row's all equal", effect, se, None, None, level, None, counts, unit)
    freedom = sum(parts) ** 2 / sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    half = float(stdtrit(freedom, (1 + level) / 2)) * se
    p = 2 * float(stdtr(freedom, -abs(effect) / se))
    return Comparison(WELCH, effect, se, effect - half, effect + half, level, p, counts, unit)


def _points(found: Comparison) -> Comparison:
    return in_points(found) if found.unit == "share" else found

"""What an enhancement did: each cell against its baseline on each protocol, paired by seed, with interval and p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pandas as pd

from bench.evaluation.comparison import holm
from bench.evaluation.measured import compare_measured
from bench.evaluation.stored import Readings
from bench.report.cells import cell_runs
from bench.report.results import ReportData

METRIC = "accuracy"
LEVEL = 0.95
"""Of intervals, where the suite's ``report:`` block does not say."""


@dataclass(frozen=True)
class Effect:
    """Mean over seeds of cell minus baseline, in percentage points for shares, else in the metric's unit.

    [``low``, ``high``]: the interval at the report's level, 95 % where it says none; ``p`` two-sided, ``p_holm``
    adjusted over all effects of the suite; None where there are too few seeds. ``seeds``: how many pairs of runs there
    are. ``method``: what was computed.
    """

    cell: str
    baseline: str
    protocol: str
    metric: str
    effect: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    seeds: int
    method: str


COLUMNS = tuple(field.name for field in fields(Effect))


def seed_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Student's t interval of the mean over seeds; None below two."""
    from scipy.special import stdtrit

    found = np.asarray(values, dtype=np.float64)
    if len(found) < 2:
        return None
    half = float(stdtrit(len(found) - 1, (1 + level) / 2) * found.std(ddof=1) / np.sqrt(len(found)))
    return float(found.mean()) - half, float(found.mean()) + half


def effects(data: ReportData, metrics: Sequence[str] = (METRIC,)) -> pd.DataFrame:
    """A row for each protocol and each cell with a baseline that shares a finished seed; columns: `COLUMNS`.

    ``metrics``: those wanted. ``p_holm`` is over every effect of the suite's table
    (`marked_metrics`), whatever is asked for here. With one seed it has an interval, for these two networks alone, and
    no ``p``: training noise cannot be told from an effect.
    """
    rows = [asdict(effect) for effect in all_effects(data) if effect.metric in metrics]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def all_effects(data: ReportData) -> tuple[Effect, ...]:
    """Every effect that the suite's table marks, worked out once."""
    if "effects" not in data.memo:
        data.memo["effects"] = _effects(data)
    found: tuple[Effect, ...] = data.memo["effects"]
    return found


def marked_metrics(data: ReportData) -> tuple[str, ...]:
    """Accuracy, and of the other metrics that the table shows those whose replicates are kept."""
    return METRIC, *(name for name in dict.fromkeys(data.plan["report"]["metrics"]) if name in _kept(data))


def readings(data: ReportData) -> Readings:
    """The suite's evaluations, each read once however many ask."""
    found: Readings = data.memo.setdefault("readings", Readings())
    return found


def _kept(data: ReportData) -> set[str]:
    """The metrics, accuracy aside, of which some finished run of a protocol kept replicates."""
    kept = (
        reading.replicates
        for cell in cell_runs(data).values()
        for run in cell.runs.values()
        for protocol in data.plan["protocols"]
        if (reading := readings(data).of(run, protocol)) is not None
    )
    return {name for replicates in kept for name in replicates} - {METRIC}


def _effects(data: ReportData) -> tuple[Effect, ...]:
    cells, known, metrics = cell_runs(data), readings(data), marked_metrics(data)
    level = data.plan["report"].get("level", LEVEL)
    baselines = dict(zip(data.frame["cell"], data.frame["baseline"], strict=True))
    found: list[Effect] = []
    for name, cell in cells.items():
        base = cells.get(baselines[name])
        if base is None or base is cell:
            continue
        for protocol in data.plan["protocols"]:
            for metric in metrics:
                a, b = known.row(cell, protocol, metric), known.row(base, protocol, metric)
                if not a.keys() & b.keys() or (metric != METRIC and any(m.replicates is None for m in a.values())):
                    continue
                compared = compare_measured(a, b, metric, level=level)
                seeds = compared.n["seeds"]
                found.append(
                    Effect(
                        cell=name, baseline=base.name, protocol=protocol, metric=metric, effect=compared.effect,
                        low=compared.low, high=compared.high, p=compared.p if seeds > 1 else None, p_holm=None,
                        seeds=seeds, method=compared.method,
                    )
                )  # fmt: skip
    adjusted = holm([effect.p for effect in found])
    return tuple(replace(effect, p_holm=p) for effect, p in zip(found, adjusted, strict=True))

"""What an enhancement did: each cell against its baseline on each protocol, paired by seed, with interval and p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from bench.catalog.metrics import metric as described
from bench.evaluation.comparison import holm
from bench.report.results import ReportData

METRIC = "accuracy"


@dataclass(frozen=True)
class Effect:
    """Mean over seeds of cell minus baseline, in percentage points for shares, else in the metric's unit.

    [``low``, ``high``]: the interval at 95 %; ``p`` two-sided, ``p_holm`` adjusted over all effects of the suite; None
    where there are too few seeds. ``seeds``: how many pairs of runs there are.
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
    from scipy.stats import t

    found = np.asarray(values, dtype=np.float64)
    if len(found) < 2:
        return None
    half = float(t.ppf((1 + level) / 2, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found)))
    return float(found.mean()) - half, float(found.mean()) + half


def effects(data: ReportData) -> pd.DataFrame:
    """A row for each protocol and each cell with a baseline that shares a finished seed; columns: `COLUMNS`."""
    from scipy.stats import ttest_1samp

    done, found = data.done, list[Effect]()
    by_cell = {cell: part.set_index("seed") for cell, part in done.groupby("cell", sort=False)}
    for cell, runs in by_cell.items():
        baseline = str(runs["baseline"].iloc[0])
        if baseline == cell or baseline not in by_cell:
            continue
        for protocol in data.plan["protocols"]:
            column = f"{protocol}.{METRIC}"
            if column not in done:
                continue
            differences = (runs[column] - by_cell[baseline][column]).dropna() * described(METRIC).scale
            if differences.empty:
                continue
            low, high = seed_interval(list(differences)) or (None, None)
            p = float(ttest_1samp(differences, 0).pvalue) if len(differences) > 1 and differences.std() > 0 else None
            found.append(
                Effect(
                    cell=str(cell), baseline=baseline, protocol=protocol, metric=METRIC,
                    effect=float(differences.mean()), low=low, high=high, p=p, p_holm=None, seeds=len(differences),
                    method="paired t over seeds",
                )
            )  # fmt: skip
    adjusted = holm([effect.p for effect in found])
    rows = [{**asdict(effect), "p_holm": p} for effect, p in zip(found, adjusted, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))

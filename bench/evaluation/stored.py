"""Cells of any suites by what the evaluations of their runs kept, and two of them compared on one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.evaluation.measured import REPLICATES, Measured, compare_measured
from bench.evaluation.paired import Comparison
from bench.store import Store


@dataclass(frozen=True)
class StoredRun:
    """A finished run in its store; ``evaluations``: protocol → evaluation id."""

    store: Store
    run: str
    evaluations: Mapping[str, str]


@dataclass(frozen=True)
class CellRuns:
    """The finished runs of one cell by training seed; ``name``: as messages call it."""

    name: str
    runs: Mapping[int, StoredRun]


@dataclass(frozen=True, eq=False)
class Reading:
    """What an evaluation kept: metrics, replicates (R,) by metric, digest of the protocol's lists, what the draws
    depend on, and how many pairs and genuine ones the protocol has (0: not recorded)."""

    metrics: Mapping[str, float | None]
    replicates: Mapping[str, np.ndarray]
    test: str
    drawn: tuple[int, ...]
    pairs: int
    genuine: int

    def measured(self, metric: str) -> Measured | None:
        """None where the metric has no value."""
        value = self.metrics.get(metric)
        return None if value is None else Measured(value, self.replicates.get(metric), self.test, self.drawn)


class Readings:
    """Evaluations, each read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Reading | None] = {}

    def of(self, run: StoredRun, protocol: str) -> Reading | None:
        """None where the run was not tested on the protocol."""
        if protocol not in run.evaluations:
            return None
        key = str(run.store.root), run.run, run.evaluations[protocol]
        if key not in self._known:
            self._known[key] = _read(run.store, run.run, run.evaluations[protocol])
        return self._known[key]

    def row(self, cell: CellRuns, protocol: str, metric: str) -> dict[int, Measured]:
        """Training seed → what was measured, for the seeds that have a value."""
        read = {seed: self.of(run, protocol) for seed, run in cell.runs.items()}
        found = {seed: reading.measured(metric) for seed, reading in read.items() if reading is not None}
        return {seed: measured for seed, measured in found.items() if measured is not None}


def compare_cells(
    a: CellRuns, b: CellRuns, protocol: str, metric: str = "accuracy", *, level: float = 0.95,
    readings: Readings | None = None,
) -> Comparison:  # fmt: skip
    """Cell A minus cell B on a protocol, paired by training seed where they share any; see `compare_measured`.

    ``readings``: to read no evaluation twice in many comparisons. Raises DataError as `compare_measured` does, and
    StoreError for arrays that are broken.
    """
    readings = readings or Readings()
    return compare_measured(readings.row(a, protocol, metric), readings.row(b, protocol, metric), metric, level=level)


def _read(store: Store, run: str, evaluation: str) -> Reading | None:
    found = store.evaluation_with(run, evaluation, REPLICATES)
    if found is None:
        return None
    record, arrays = found
    facts, measures = record.get("facts", {}), record.get("measures", {})
    return Reading(
        metrics=record["metrics"],
        replicates={name.removeprefix(REPLICATES): values for name, values in arrays.items()},
        test=facts.get("lists", ""),
        drawn=tuple(measures[name] for name in ("bootstrap", "seed") if name in measures),
        pairs=facts.get("pairs", 0),
        genuine=facts.get("genuine", 0),
    )

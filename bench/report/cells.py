"""The cells of a suite with their finished runs."""

from __future__ import annotations

from bench.evaluation.stored import CellRuns, StoredRun
from bench.report.results import ReportData


def cell_runs(data: ReportData) -> dict[str, CellRuns]:
    """The cells of a suite that have finished runs, by id, in plan order."""
    if "cells" not in data.memo:
        data.memo["cells"] = _cell_runs(data)
    cells: dict[str, CellRuns] = data.memo["cells"]
    return cells


def _cell_runs(data: ReportData) -> dict[str, CellRuns]:
    planned = {run["run"]: run["evaluations"] for run in data.plan["runs"]}
    found: dict[str, dict[int, StoredRun]] = {}
    done = data.done
    for cell, seed, run in zip(done["cell"], done["seed"], done["run"], strict=True):
        found.setdefault(str(cell), {})[int(seed)] = StoredRun(data.store, run, planned[run])
    return {cell: CellRuns(cell, runs) for cell, runs in found.items()}

"""``table.json``: a suite's table with all that it takes to check it and to train its runs again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from bench.report.private import public_plan
from bench.report.results import ReportData
from bench.report.table import Table
from bench.store_plan import plan_text

SCHEMA = 1


def table_record(data: ReportData, table: Table, found: Mapping[str, Any]) -> dict[str, Any]:
    """``columns``, and ``rows`` with their cells, runs and entries, in the units shown; ``runs``: of each finished run
    what another training of it is held against: ``weights_sha256``, ``execution_class`` and ``values``, the plain
    metrics of the columns (None: not measurable); ``plan`` as it stands in ``plan.json``, from which the runs can be
    planned anew; ``provenance``: ``found``.
    """
    cells = {str(cell): runs for cell, runs in data.frame.groupby("cell", sort=False)}
    of_rows = [getattr(row, "cell", "") or cell for row, cell in zip(table.rows, cells, strict=True)]
    columns = [column.key for column in table.columns]
    return {
        "schema": SCHEMA,
        "kind": "table",
        "suite": data.plan["suite"],
        "title": table.title,
        "axes": list(data.plan["axes"]),
        "digits": table.digits,
        "columns": [{**asdict(column), "key": column.key, "heading": column.heading} for column in table.columns],
        "rows": [
            {
                **asdict(row),
                "cell": cell,
                "baseline": str(cells[cell]["baseline"].iloc[0]),
                "runs": [{"run": r, "seed": int(s), "status": status} for r, s, status in _three(cells[cell])],
            }
            for row, cell in zip(table.rows, of_rows, strict=True)
        ],
        "notes": list(table.notes),
        "runs": _recorded(data, columns),
        "plan": json.loads(plan_text(public_plan(dict(data.plan)))),
        "provenance": dict(found),
    }


def table_json(data: ReportData, table: Table, found: Mapping[str, Any]) -> bytes:
    return _json(table_record(data, table, found))


def provenance_json(found: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """A record of `provenance` with the sha256 of every file of the report, by its path in the report's folder."""
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    return _json({"kind": "provenance", **found, "files": digests})


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _three(runs: pd.DataFrame) -> list[tuple[str, int, str]]:
    return list(zip(runs["run"], runs["seed"], runs["status"], strict=True))


def _recorded(data: ReportData, columns: list[str]) -> dict[str, Any]:
    done = data.done.drop_duplicates("run")
    values = done.reindex(columns=columns).astype(object).where(done.reindex(columns=columns).notna(), None)
    found = {}
    for run, row in zip(done["run"], values.to_dict("records"), strict=True):
        result = data.store.outcome(run) or {}
        kept = {key: result.get(key) for key in ("weights_sha256", "execution_class")}
        found[str(run)] = {**kept, "values": row}
    return found

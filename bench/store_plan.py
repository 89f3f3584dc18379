"""How a plan stands in ``plan.json``: what the runs of a cell have in common is written once, and a run is one line.

A plan of schema 1, which repeats everything with every run, is read too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SCHEMA = 2
_OWN = ("run", "seed", "cell", "evaluations")


def plan_text(plan: Mapping[str, Any]) -> str:
    """The text of ``plan.json``. Runs have ``cell``, ``seed``, ``config`` and whatever else."""
    cells: dict[str, dict[str, Any]] = {}
    runs = []
    for run in plan["runs"]:
        config = dict(run["config"])
        seed = config.pop("seed", None)
        shared = {**{key: value for key, value in run.items() if key not in _OWN}, "config": config}
        alike = seed == run["seed"] and cells.setdefault(run["cell"], shared) == shared
        runs.append({key: run[key] for key in _OWN if key in run} if alike else run)
    fields = {**plan, "schema": SCHEMA, "cells": cells, "runs": runs}
    return "{\n" + ",\n".join(f"{_json(name)}: {_lines(fields[name])}" for name in sorted(fields)) + "\n}\n"


def whole_plan(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A plan as it was given to `plan_text`, its ``schema`` aside. Raises ValueError for a newer one, KeyError or
    TypeError for one that is torn."""
    if stored.get("schema", 1) == 1:
        return dict(stored)
    if stored["schema"] != SCHEMA:
        raise ValueError(f"it has schema {stored['schema']}; this version reads up to {SCHEMA}")
    cells = stored["cells"]
    runs = []
    for run in stored["runs"]:
        if "config" in run:  # it has something that the others of its cell have not
            runs.append(run)
        else:
            shared = cells[run["cell"]]
            runs.append({**shared, **run, "config": {**shared["config"], "seed": run["seed"]}})
    return {**{key: value for key, value in stored.items() if key != "cells"}, "runs": runs}


def _lines(value: Any) -> str:
    """JSON with a line for each item of a list or field of a mapping."""
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"{_json(key)}: {_json(value[key])}" for key in sorted(value)) + "\n}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(map(_json, value)) + "\n]"
    return _json(value)


def _json(value: Any) -> str:
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False, ensure_ascii=False)

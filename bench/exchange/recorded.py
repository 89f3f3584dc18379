"""What a file recorded of runs: their plan, and the numbers that another training of them is held against."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.exchange.archive import ExchangeError, open_archive
from bench.exchange.sound import Contents, read_contents
from bench.records import digest, without
from bench.scheduling.plan import PlannedCell, PlannedRun
from bench.scheduling.selection import asked
from bench.store import Store
from bench.store_plan import whole_plan

READ = "table.json, provenance.json or plan.json of a suite, a run's result.json or config.json, or an export"


@dataclass(frozen=True)
class Recorded:
    """A run and what is recorded of its training; ``values``: plain metrics by ``<protocol>.<metric>``. None and empty
    where the file records nothing."""

    run: PlannedRun
    weights_sha256: str | None = None
    execution_class: Mapping[str, Any] | None = None
    values: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Recording:
    """``plan``: of the suite, or None for a run by itself."""

    plan: dict[str, Any] | None
    runs: tuple[Recorded, ...]


def read_recording(path: Path) -> Recording:
    """Raises ExchangeError for a file that records no runs, or was changed."""
    if not path.is_file():
        raise ExchangeError(f"no file {path}")
    if zipfile.is_zipfile(path):
        with open_archive(path) as archive:
            archive.check_all()
            return _of_export(read_contents(archive), path)
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise ExchangeError(f"{path}: records no run; what is read is a {READ}")
        match value.get("kind"):
            case "table":
                return _of_table(value, path)
            case "provenance":
                return read_recording(_table_beside(value, path))
        if "runs" in value and "suite" in value:
            return _of_plan(whole_plan(value), path)
        if "checksum" in value and "weights_sha256" in value:
            return _of_result(value, path)
        if {"backbone", "margin", "train", "seed"} <= value.keys():
            return Recording(None, (Recorded(_run_of(value, _id_beside(value, path), path)),))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ExchangeError(f"{path}: cannot be read ({error!r}); what is read is a {READ}") from None
    raise ExchangeError(f"{path}: records no run; what is read is a {READ}")


def _planned(plan: Mapping[str, Any], path: Path) -> dict[str, PlannedRun]:
    """The runs of a plan by id, each with the tests of all cells that share it."""
    found: dict[str, PlannedRun] = {}
    for record in plan["runs"]:
        run = PlannedRun.from_record(record)
        if run is None:
            raise ExchangeError(f"{path}: was written by an older version and does not say what its runs are tested on")
        found[run.run] = _joined(found[run.run], run) if run.run in found else run
    return found


def _joined(one: PlannedRun, other: PlannedRun) -> PlannedRun:
    shared = replace(one.shared, protocols={**other.protocols, **one.protocols})
    return replace(one, shared=shared, evaluations={**other.evaluations, **one.evaluations})


def _of_plan(plan: dict[str, Any], path: Path) -> Recording:
    return Recording(plan, tuple(Recorded(run) for run in _planned(plan, path).values()))


def _of_table(table: Mapping[str, Any], path: Path) -> Recording:
    plan = whole_plan(table["plan"])
    runs = []
    for key, run in _planned(plan, path).items():
        said = table["runs"].get(key)
        runs.append(Recorded(run) if said is None else Recorded(run, **said))
    return Recording(plan, tuple(runs))


def _of_export(contents: Contents, path: Path) -> Recording:
    runs = []
    for key, run in _planned(contents.plan, path).items():
        result = contents.results.get(key)
        if result is None:
            runs.append(Recorded(run))
            continue
        evaluations = contents.evaluations.get(key, {})
        values = {
            f"{name}.{metric}": value
            for name, evaluation in run.evaluations.items()
            for metric, value in evaluations.get(evaluation, {}).get("metrics", {}).items()
        }
        runs.append(Recorded(run, result["weights_sha256"], result["execution_class"], values))
    return Recording(contents.plan, tuple(runs))


def _of_result(value: Mapping[str, Any], path: Path) -> Recording:
    result = without("checksum", value)
    if value["checksum"] != digest(result):
        raise ExchangeError(f"{path}: does not have the checksum that it gives: it was changed")
    run = _run_of(result["config"], result["run"], path)
    values: dict[str, float | None] = {}
    store = _store_of(path)
    for name, evaluation in run.evaluations.items() if store else ():
        found = store.metrics(run.run, evaluation) if store else None
        values |= {f"{name}.{metric}": value for metric, value in (found or {}).items()}
    return Recording(None, (Recorded(run, result["weights_sha256"], result["execution_class"], values),))


def _run_of(config: Mapping[str, Any], run: str, path: Path) -> PlannedRun:
    """A run as the plans of the results folder ask for it in which the file lies, else as what it trains alone."""
    store = _store_of(path)
    views = [PlannedRun.from_record(view.record) for view in asked(store) if view.run == run] if store else []
    known = [view for view in views if view is not None]
    if known:
        joined = known[0]
        for view in known[1:]:
            joined = _joined(joined, view)
        return joined
    plain = {key: value for key, value in config.items() if key != "seed"}
    shared = PlannedCell("", "", {}, plain, {}, {}, config["recipe"].get("replicas", 1))
    return PlannedRun(run, config["seed"], shared, {})


def _id_beside(config: Mapping[str, Any], path: Path) -> str:
    """The id of a ``config.json``: its folder's name, where it lies in a results folder."""
    return path.resolve().parent.name if _store_of(path) else digest(config)


def _store_of(path: Path) -> Store | None:
    """The results folder that a run's file lies in."""
    runs = path.resolve().parent.parent
    if runs.name != "runs":
        return None
    try:
        return Store(runs.parent) if Store(runs.parent).suite_names() else None
    except StoreError:
        return None


def _table_beside(value: Mapping[str, Any], path: Path) -> Path:
    table = path.with_name("table.json")
    wanted = value["files"].get("table.json")
    if not table.is_file():
        raise ExchangeError(f"{path}: the table.json that it names, which has the runs, is not beside it")
    if hashlib.sha256(table.read_bytes()).hexdigest() != wanted:
        raise ExchangeError(f"{table} is not the one that {path.name} names: one of them was changed")
    return table

"""What an export holds, once every part agrees with every other: ids with configurations, records with their arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import DataError
from bench.exchange.archive import Archive, ExchangeError
from bench.records import SCHEMA, digest, without
from bench.report.people import read_people
from bench.store_plan import whole_plan

_NEEDED = ("suite", "title", "file", "digest", "command", "warnings", "axes", "report", "protocols", "runs")


@dataclass(frozen=True)
class Contents:
    """``plan`` as the store gives one; ``runs``: ids in plan order; ``results`` and ``evaluations`` (by run and id)
    without their checksums."""

    suite: str
    plan: dict[str, Any]
    runs: tuple[str, ...]
    results: dict[str, dict[str, Any]]
    evaluations: dict[str, dict[str, dict[str, Any]]]


def read_contents(archive: Archive) -> Contents:
    """Raises ExchangeError that names the first member which contradicts its checksum, its name or the plan."""
    try:
        plan = whole_plan(archive.json("plan.json"))
        if lacking := [name for name in _NEEDED if name not in plan]:
            raise ExchangeError(f"{archive.path}: plan.json has no {', '.join(lacking)}")
        suite, planned = str(plan["suite"]), {run["run"]: run for run in plan["runs"]}
        tests = {run: set[str]() for run in planned}
        for run in plan["runs"]:
            tests[run["run"]] |= set(run["evaluations"].values())
            if digest(run["config"]) != run["run"]:
                raise ExchangeError(f"{archive.path}: plan.json: the configuration of run {run['run']} is another's")
        if suite != archive.manifest.get("suite"):
            raise ExchangeError(f"{archive.path}: plan.json is of suite {suite!r}, the manifest of another")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExchangeError(f"{archive.path}: plan.json cannot be read ({error!r})") from None
    contents = Contents(suite, plan, tuple(planned), {}, {})
    for name in archive.names("runs/"):
        run = name.split("/")[1]
        if run not in planned:
            raise ExchangeError(f"{archive.path}: {name} is of a run that the plan does not ask for")
        _take(archive, name, run, contents, tests[run])
    for run, of_run in contents.evaluations.items():
        if run not in contents.results:
            raise ExchangeError(f"{archive.path}: run {run} has evaluations ({len(of_run)}) but no result")
    for name in archive.names("people/"):
        try:
            read_people(archive.read(name), name)
        except DataError as error:
            raise ExchangeError(f"{archive.path}: {error}") from None
    return contents


def _take(archive: Archive, name: str, run: str, contents: Contents, tests: set[str]) -> None:
    """Checks one file of a run, and keeps what it says."""
    file = name.removeprefix(f"runs/{run}/")
    if file == "config.json":
        if _digest(archive, name, archive.json(name)) != run:
            raise ExchangeError(f"{archive.path}: {name} is the configuration of another run")
    elif file == "result.json":
        result = _record(archive, name)
        config = result.get("config")
        if result.get("run") != run or not isinstance(config, dict) or _digest(archive, name, config) != run:
            raise ExchangeError(f"{archive.path}: {name} is the result of another run")
        contents.results[run] = result
    elif file.startswith("evaluations/") and file.endswith(".json"):
        key = file.removeprefix("evaluations/").removesuffix(".json")
        record = _record(archive, name)
        if record.get("run") != run or key not in tests:
            raise ExchangeError(f"{archive.path}: {name} is an evaluation that the plan does not ask for")
        _check_arrays(archive, name, record)
        contents.evaluations.setdefault(run, {})[key] = record
    elif file.startswith("evaluations/"):
        if name.removesuffix(".safetensors") + ".json" not in archive.members:
            raise ExchangeError(f"{archive.path}: {name} has no record beside it")
    elif file in ("failure.json", "cancelled.json"):
        archive.json(name)
    elif file == "events.jsonl":
        for line in archive.read(name).splitlines():
            archive.parsed(line, name)


def _check_arrays(archive: Archive, name: str, record: Mapping[str, Any]) -> None:
    said = record.get("arrays")
    file = name.removesuffix(".json") + ".safetensors"
    if said is None:
        return
    content = archive.read(file) if file in archive.members else b""
    if not isinstance(said, dict) or said.get("sha256") != hashlib.sha256(content).hexdigest():
        raise ExchangeError(f"{archive.path}: {name} does not go with the arrays beside it")


def _record(archive: Archive, name: str) -> dict[str, Any]:
    """A checksummed record without its checksum."""
    value = archive.json(name)
    body = without("checksum", value)
    if value.get("checksum") != _digest(archive, name, body):
        raise ExchangeError(f"{archive.path}: {name} does not have the checksum that it gives")
    if body.get("schema") != SCHEMA:
        raise ExchangeError(f"{archive.path}: {name} has schema {body.get('schema')!r}; this version reads {SCHEMA}")
    return body


def _digest(archive: Archive, name: str, value: Any) -> str:
    try:
        return digest(value)
    except (ValueError, RecursionError) as error:
        raise ExchangeError(f"{archive.path}: {name} holds what no record may ({error})") from None

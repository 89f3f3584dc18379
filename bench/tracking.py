"""Mirrors a suite from the store to MLflow. The store stays the record: what is lost here is mirrored again."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.records import canonical, digest
from bench.store import Store
from bench.store_index import stamp_of
from bench.tracking_state import mirror_state, report_state

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KEY_LIMIT, PARAM_LIMIT, TAG_LIMIT = 250, 6000, 5000  # characters; some servers refuse tags of more than 5000
LOCK_SECONDS = 60.0
DATABASE = "mlflow.db"
_NOT_IN_KEYS = re.compile(r"[^\w\-. :/]", re.ASCII)
_PASSWORD = re.compile(r"//[^@/\s]*@")
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow's own defaults would wait for minutes on a server that is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class TrackingError(BenchError):
    """The tracker cannot be reached or refuses what is logged."""


@dataclass(frozen=True)
class TrackReport:
    """How many benchmark runs were logged for the first time, logged anew, unchanged, or have not ended yet."""

    new: int = 0
    updated: int = 0
    skipped: int = 0
    pending: int = 0


@dataclass(frozen=True)
class _Record:
    """All that MLflow is told of one benchmark run. Times are milliseconds since the epoch."""

    name: str
    status: str
    params: dict[str, str]
    metrics: list[tuple[str, float, int, int]]  # key, value, time, step
    tags: dict[str, str]
    start: int | None
    end: int | None


def track_suite(store: Store, name: str, *, uri: str | None = None) -> TrackReport:
    """Brings the MLflow experiment of suite ``name`` up to date; a second call adds nothing.

    ``uri`` is MLflow's tracking URI; by default an SQLite file ``mlflow.db`` in the results folder. A run whose record
    has changed since (it failed and was trained, or was evaluated on more) is replaced, its old mirror put in MLflow's
    bin, since MLflow can neither change a param nor take back a metric. Runs that left the plan stay as they are.
    Raises StoreError for an unknown suite, TrackingError if the tracker is down, locked or refuses.
    """
    from filelock import FileLock

    plan = store.plan(name)
    _prepare()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    target = uri or f"sqlite:///{(store.root / DATABASE).resolve()}"
    try:
        # Two processes that make the database's tables at once crash; two that mirror at once would log runs twice.
        with FileLock(store.root / ".mlflow.lock", timeout=LOCK_SECONDS):
            return _mirror(store, plan, _client(target), _artifacts(store, target))
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(f"MLflow at {_line(target)}: {_line(error)}") from error


def track_quietly(store: Store, name: str, *, uri: str | None = None) -> str | None:
    """As :func:`track_suite`, but whatever goes wrong becomes a one-line warning: a tracker never costs a run.

    Where nothing has changed since the embedded database was told last, it is not even opened.
    """
    try:
        if uri is not None:
            track_suite(store, name, uri=uri)
            return None
        database, state = store.root / DATABASE, mirror_state(store, name)
        if store.mirrored(name) != {"state": state, "database": stamp_of(str(database))}:
            track_suite(store, name)
            store.write_mirrored(name, {"state": state, "database": stamp_of(str(database))})
    except Exception as error:
        return f"suite {name!r} was not mirrored (later: bench track {name}): {_line(error) or type(error).__name__}"
    return None


def _prepare() -> None:
    for setting, value in _SETTINGS.items():
        os.environ.setdefault(setting, value)
    import mlflow  # noqa: F401  (importing it sets its loggers' levels)

    # MLflow prints the traceback of every database error that it also raises.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _client(uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _artifacts(store: Store, uri: str) -> str | None:
    """Where a database keeps its artifacts (MLflow's default is the working folder); a server decides by itself."""
    if uri.startswith(("http", "databricks")):
        return None
    return (store.root / "mlflow-artifacts").resolve().as_uri()


def _mirror(store: Store, plan: Mapping[str, Any], client: MlflowClient, artifacts: str | None) -> TrackReport:
    experiment = _experiment(client, plan["suite"], artifacts)
    present = list(_active_runs(client, experiment))
    parent = _parent(client, experiment, plan, present)
    children = {run.data.tags["bench.run"]: run for run in present if "bench.run" in run.data.tags}
    counts = {"new": 0, "updated": 0, "skipped": 0, "pending": 0}
    failed = False
    for run, entry in {entry["run"]: entry for entry in plan["runs"]}.items():
        record = _record(store, plan, entry)
        failed = failed or (record is not None and record.status == "FAILED")
        counts[_mirror_run(client, experiment, parent, record, children.get(run))] += 1
    _finish_parent(client, parent, store.suite_folder(plan["suite"]) / "report", bool(counts["pending"]), failed)
    return TrackReport(**counts)


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=artifacts))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _active_runs(client: MlflowClient, experiment: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _parent(client: MlflowClient, experiment: str, plan: Mapping[str, Any], present: list[Run]) -> Run:
    """The suite's own run, its tags brought up to date."""
    tags = {
        "bench.suite": plan["suite"],
        "bench.plan": plan["digest"],
        "bench.command": plan["command"],
        "bench.file": plan["file"],
        "bench.axes": ", ".join(plan["axes"]),
        "bench.protocols": ", ".join(plan["protocols"]),
        "mlflow.note.content": plan["title"],
    }
    parent = next((r for r in present if "bench.suite" in r.data.tags and "bench.run" not in r.data.tags), None)
    if parent is None:
        return client.create_run(experiment, run_name=plan["suite"], tags=_cut(tags, TAG_LIMIT))
    _tag(client, parent, tags)
    return parent


def _finish_parent(client: MlflowClient, parent: Run, report: Path, pending: bool, failed: bool) -> None:
    """Uploads the report if it changed, and says how the suite stands: FAILED if any run did."""
    state = report_state(report)
    if report.is_dir() and parent.data.tags.get("bench.report") != state:
        client.log_artifacts(parent.info.run_id, str(report), "report")
        _tag(client, parent, {"bench.report": state})
    status = "RUNNING" if pending else "FAILED" if failed else "FINISHED"
    if parent.info.status == status:
        return
    if pending:
        client.update_run(parent.info.run_id, status=status)
    else:
        client.set_terminated(parent.info.run_id, status)


def _mirror_run(client: MlflowClient, experiment: str, parent: Run, record: _Record | None, present: Run | None) -> str:
    """Logs one benchmark run where that is needed; returns the TrackReport field to count it in."""
    from mlflow.entities import Metric, Param, RunTag

    if record is None:
        return "pending"
    state = digest([parent.info.run_id, asdict(record)])
    if present is not None and present.data.tags.get("bench.record") == state:
        return "skipped"
    if present is not None:
        client.delete_run(present.info.run_id)
    tags = {**record.tags, "mlflow.parentRunId": parent.info.run_id}
    run = client.create_run(experiment, start_time=record.start, tags=tags, run_name=record.name).info.run_id
    client.log_batch(
        run,
        metrics=[Metric(*metric) for metric in record.metrics],
        params=[Param(key, value) for key, value in record.params.items()],
    )
    client.set_terminated(run, record.status, end_time=record.end)
    # Last of all: a mirror that was cut short lacks this tag, so the next call makes it again.
    client.log_batch(run, tags=[RunTag("bench.record", state)])
    return "new" if present is None else "updated"


def _record(store: Store, plan: Mapping[str, Any], entry: Mapping[str, Any]) -> _Record | None:
    """What there is to tell of one planned run, or None while it is neither trained nor failed nor cancelled."""
    run = entry["run"]
    result, failure = store.result(run), store.failure(run)
    cancelled = result is None and store.cancelled(run)
    if result is None and failure is None and not cancelled:
        return None
    events = [event for event in store.events(run) if "time" in event]
    start = _milliseconds(events[0]["time"] - events[0].get("seconds", 0)) if events else None
    end = _milliseconds(max(event["time"] for event in events)) if events else None
    metrics = list(_epoch_metrics(store.epochs(run)))
    if result is not None:
        step = int(result.get("epochs") or 0)
        metrics += [(key, value, end or 0, step) for key, value in _final_metrics(store, entry, result)]
    axes = [str(entry["axes"][axis]) for axis in plan["axes"] if axis in entry["axes"]]
    return _Record(
        name=" ".join([*axes, f"seed {entry['seed']}"])[:KEY_LIMIT],
        status="KILLED" if cancelled else "FAILED" if failure else "FINISHED",
        params=_cut(dict(_flat("", entry["config"])), PARAM_LIMIT),
        metrics=metrics,
        tags=_cut(_tags(plan["suite"], entry, result or {}, failure, cancelled=cancelled), TAG_LIMIT),
        start=start,
        end=end,
    )


def _tags(
    suite: str, entry: Mapping[str, Any], result: Mapping[str, Any], failure: Mapping[str, Any] | None, *,
    cancelled: bool,
) -> dict[str, str]:  # fmt: skip
    environment, execution = result.get("environment") or {}, result.get("execution_class") or {}
    train = entry["config"].get("train") or {}
    tags = {
        "bench.run": entry["run"],
        "bench.suite": suite,
        "bench.cell": entry["cell"],
        "bench.baseline": entry.get("baseline"),
        "bench.status": "cancelled" if cancelled else "failed" if failure else "trained",
        "bench.error": failure["error"] if failure else None,
        "bench.commit": environment.get("commit"),
        "bench.dirty": environment.get("dirty"),
        "bench.torch": execution.get("torch"),
        "bench.device": execution.get("device"),
        "bench.train_digest": train.get("digest"),
        "bench.weights_sha256": result.get("weights_sha256"),
        "mlflow.source.git.commit": environment.get("commit"),
    }
    return {key: str(value) for key, value in tags.items() if value is not None}


def _epoch_metrics(epochs: list[dict[str, Any]]) -> Iterator[tuple[str, float, int, int]]:
    for event in epochs:
        measured = {key: value for key, value in event.items() if key not in ("kind", "epoch", "time", "validation")}
        told = {"epoch": measured, "validation": event.get("validation") or {}}
        for key, value in _numbers(told):
            yield key, value, _milliseconds(event["time"]), int(event["epoch"])


def _final_metrics(store: Store, entry: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    yield from _numbers({"final": result.get("metrics") or {}})
    for protocol, evaluation in entry["evaluations"].items():
        record = store.evaluation(entry["run"], evaluation)
        if record is not None:
            yield from _numbers({protocol: record["metrics"]})


def _numbers(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """``group.name`` and value of all that is a number; None means not measurable and is not logged."""
    for group, values in groups.items():
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield _key(f"{group}.{name}"), float(value)


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Dotted names and texts of nested options: ``margin.s`` → ``64``."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), inner)
    else:
        yield prefix, value if isinstance(value, str) else canonical(value)


def _cut(values: Mapping[str, str], limit: int) -> dict[str, str]:
    return {_key(key): value[:limit] for key, value in values.items()}


def _key(name: str) -> str:
    return _NOT_IN_KEYS.sub("_", name)[:KEY_LIMIT]


def _tag(client: MlflowClient, run: Run, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    changed = {key: value for key, value in _cut(tags, TAG_LIMIT).items() if run.data.tags.get(key) != value}
    if changed:
        client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in changed.items()])


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _line(problem: object) -> str:
    """The first line of a text without the user's name and password in an address."""
    return _PASSWORD.sub("//***@", next(iter(str(problem).splitlines()), ""))[:300]

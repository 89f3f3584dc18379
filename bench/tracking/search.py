"""A search in MLflow: a run for each study below the suite's, and in it a run for each trial, which names its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.records import digest
from bench.tracking.present import PARENT, RECORD, Told, own_runs, tag
from bench.tracking.record import KEY_LIMIT, PARAM_LIMIT, TAG_LIMIT, Metric, cut, flat, key_of, span

if TYPE_CHECKING:
    from bench.tracking.mirror import Mirror

STUDY, TRIAL, OF_TRIAL = "bench.study", "bench.trial", "bench.run_of_trial"
NOTE = "mlflow.note.content"
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "running": "RUNNING"}
_ABOUT = ("fair", "objectives", "space", "sampler", "pruner", "seeds")


@dataclass(frozen=True)
class _Nested:
    """What is told of a study or a trial. ``tags`` may change in place; all else makes it a new run of MLflow."""

    name: str
    status: str
    params: dict[str, str]
    metrics: list[Metric]
    start: int | None
    tags: dict[str, str]


def tell_search(mirror: Mirror) -> None:
    """Tells what the suite's search tried, if it was searched."""
    record = mirror.store.search(mirror.suite)
    if record is None:
        return
    planned = {entry["run"] for entry in mirror.plan["runs"]}
    trials = [(study, trial) for study in record["studies"] for trial in _trials(study)]
    mirror.look_elsewhere(run for _, trial in trials for run in trial["runs"])
    studies = own_runs(mirror.client, mirror.experiment, STUDY)
    known = own_runs(mirror.client, mirror.experiment, TRIAL)
    above = {}
    for study in record["studies"]:
        key = digest(study["study"])
        above[key] = _tell(mirror, _study(record, study), {STUDY: key, PARENT: mirror.parent.id}, studies.get(key))
    placed: set[str] = set()
    for study, trial in trials:
        holder, key = above[digest(study["study"])], digest([study["study"], trial["number"]])
        told = _tell(mirror, _trial(mirror, record, trial), {TRIAL: key, PARENT: holder.id}, known.get(key))
        for run in trial["runs"]:
            # A run that stands in a plan stands below that plan's suite; this one would stand nowhere.
            if run not in planned | placed and (run not in mirror.known or OF_TRIAL in mirror.known[run].tags):
                _tell_run(mirror, run, trial, told)
                placed.add(run)
        ids = [mirror.known[run].id for run in trial["runs"] if run in mirror.known]
        tag(mirror.client, told, {"bench.mlflow_runs": ", ".join(ids)})


def _tell_run(mirror: Mirror, run: str, trial: Mapping[str, Any], told: Told) -> None:
    """Tells a run that only the search has planned, with its curves, below its trial."""
    config = mirror.store.config(run)
    if config is None:
        return
    axes = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in trial["params"].items()}
    entry = {"run": run, "seed": config["seed"], "axes": axes, "config": config, "evaluations": {}}
    if mirror.run(entry, told) != "pending":
        tag(mirror.client, mirror.known[run], {OF_TRIAL: "true"})


def _trials(study: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if study.get("baseline"):
        yield study["baseline"]
    yield from study["trials"]


def _study(record: Mapping[str, Any], study: Mapping[str, Any]) -> _Nested:
    label = str(study.get("label") or "")
    states = [trial["state"] for trial in study["trials"]]
    best = [trial for trial in study["trials"] if trial["number"] in study.get("best", ())]
    values = {f"states.{state}": float(states.count(state)) for state in _STATUS}
    values |= {
        f"budget.{key}": float(value) for key, value in (record.get("budget") or {}).items() if value is not None
    }
    if len(best) == 1 and best[0]["values"]:
        values |= {f"best.{name}": value for name, value in zip(_objectives(record), best[0]["values"], strict=True)}
    return _Nested(
        name=f"search {label}".strip()[:KEY_LIMIT],
        status="RUNNING" if "running" in states else "FINISHED",
        params=cut(dict(flat("", {key: record[key] for key in _ABOUT if record.get(key) is not None})), PARAM_LIMIT),
        metrics=[(key_of(key), value, 0, 0) for key, value in values.items()],
        start=None,
        tags={
            "bench.search": study["study"],
            "bench.label": label,
            "bench.command": record.get("command") or "",
            "bench.best_trials": ", ".join(map(str, study.get("best", ()))),
            NOTE: record.get("text") or "",
        },
    )


def _trial(mirror: Mirror, record: Mapping[str, Any], trial: Mapping[str, Any]) -> _Nested:
    first = _objectives(record)[0]
    spans = [span([e for e in mirror.store.events(run) if "time" in e]) for run in trial["runs"]]
    start = min((begun for begun, _ in spans if begun is not None), default=None)
    end = max((ended for _, ended in spans if ended is not None), default=0)
    epochs = int(trial.get("epochs") or 0)
    metrics = [
        (key_of(f"intermediate.{first}"), float(value), end, int(step))
        for step, value in (trial.get("intermediate") or {}).items()
        if value is not None
    ]
    for name, value in zip(_objectives(record), trial.get("values") or (), strict=False):
        metrics.append((key_of(f"value.{name}"), float(value), end, epochs))
    if trial.get("seconds") is not None:
        metrics.append(("system/train_seconds", float(trial["seconds"]), end, epochs))
    return _Nested(
        name="baseline" if trial["number"] < 0 else f"trial {trial['number']}",
        status=_STATUS[trial["state"]],
        params=cut(dict(flat("", trial["params"])) if trial["params"] else {}, PARAM_LIMIT),
        metrics=metrics,
        start=start,
        tags={
            "bench.trial.number": str(trial["number"]),
            "bench.trial.state": trial["state"],
            "bench.trial.why": trial.get("why") or "",
            "bench.runs": ", ".join(trial["runs"]),
        },
    )


def _objectives(record: Mapping[str, Any]) -> list[str]:
    return [objective["name"] for objective in record["objectives"]]


def _tell(mirror: Mirror, nested: _Nested, tags: dict[str, str], present: Told | None) -> Told:
    """Tells a study or a trial anew where it has changed."""
    from mlflow.entities import Metric, Param, RunTag

    client = mirror.client
    state = digest([nested.name, nested.status, nested.params, nested.metrics, nested.start, nested.tags.get(NOTE)])
    tags = cut({**nested.tags, **tags}, TAG_LIMIT)
    if present is not None and present.tags.get(RECORD) == state and present.status == nested.status:
        tag(client, present, {key: value for key, value in tags.items() if key != NOTE})
        return present
    if present is not None:
        client.delete_run(present.id)
    created = client.create_run(mirror.experiment, start_time=nested.start, run_name=nested.name, tags=tags).info
    client.log_batch(
        created.run_id,
        metrics=[Metric(*metric) for metric in nested.metrics],
        params=[Param(key, value) for key, value in nested.params.items()],
        tags=[RunTag(RECORD, state)],
    )
    told = Told(created.run_id, mirror.experiment, created.status, {**tags, RECORD: state})
    mirror.end(told, nested.status)
    return told

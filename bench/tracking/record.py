"""All that MLflow is told of one benchmark run, read from the store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.records import canonical, digest
from bench.store import Store
from bench.tracking.target import hidden

KEY_LIMIT, PARAM_LIMIT, TAG_LIMIT = 250, 6000, 5000  # characters; some servers refuse tags of more than 5000
_NOT_IN_KEYS = re.compile(r"[^\w\-. :/]", re.ASCII)
_SYSTEM = {"images_per_second": "images_per_second", "seconds": "epoch_seconds", "peak_gpu_bytes": "peak_gpu_bytes"}
_SYSTEM_FINAL = {"images_per_second": "mean_images_per_second", "train_seconds": "train_seconds",
                 "peak_gpu_bytes": "peak_gpu_bytes"}  # fmt: skip
_NOT_MEASURED = ("kind", "epoch", "epochs", "time", "validation", "terms", *_SYSTEM)

Metric = tuple[str, float, int, int]
"""Key, value, time in milliseconds since the epoch, step."""
Claim = tuple[str, Mapping[str, Any]]
"""A suite's name, and the run as it stands in that suite's plan."""


@dataclass(frozen=True)
class Record:
    """What cannot be changed once MLflow has it, and the tags, which can. Times are milliseconds since the epoch."""

    name: str
    status: str
    params: dict[str, str]
    metrics: list[Metric]
    tags: dict[str, str]
    start: int | None
    end: int | None

    @property
    def digest(self) -> str:
        """Of all but the tags."""
        return digest([self.name, self.status, self.params, self.metrics, self.start, self.end])


def planned(plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The runs of a plan, each once, with their axes as texts in the plan's order."""
    for entry in {entry["run"]: entry for entry in plan["runs"]}.values():
        yield {**entry, "axes": {axis: str(entry["axes"][axis]) for axis in plan["axes"] if axis in entry["axes"]}}


def run_record(store: Store, claims: Sequence[Claim]) -> Record | None:
    """What there is to tell of one run, or None while it is neither trained nor failed nor cancelled.

    ``claims``: every suite that plans it, the one under which it stands in MLflow first.
    """
    entry = claims[0][1]
    run = entry["run"]
    result, failure = store.result(run), store.failure(run)
    cancelled = result is None and store.cancelled(run)
    if result is None and failure is None and not cancelled:
        return None
    events = [event for event in store.events(run) if "time" in event]
    start, end = span(events)
    metrics = list(_epoch_metrics(events))
    if result is not None:
        step = int(result.get("epochs") or 0)
        metrics += [(key, value, end or 0, step) for key, value in _final_metrics(store, claims, result)]
    status = "cancelled" if cancelled else "failed" if failure else "trained"
    return Record(
        name=" ".join([*map(str, entry["axes"].values()), f"seed {entry['seed']}"])[:KEY_LIMIT],
        status={"cancelled": "KILLED", "failed": "FAILED", "trained": "FINISHED"}[status],
        # Axes, for a baseline's strength is 0 though its configuration has no term.
        params=cut({**entry["axes"], **dict(flat("", entry["config"]))}, PARAM_LIMIT),
        metrics=metrics,
        tags=cut(_tags(claims, status, result or {}, failure or {}), TAG_LIMIT),
        start=start,
        end=end,
    )


def span(events: Sequence[Mapping[str, Any]]) -> tuple[int | None, int | None]:
    """When a run's first event began and its last one ended."""
    if not events:
        return None, None
    return _milliseconds(events[0]["time"] - events[0].get("seconds", 0)), _milliseconds(
        max(event["time"] for event in events)
    )


def _tags(
    claims: Sequence[Claim], status: str, result: Mapping[str, Any], failure: Mapping[str, Any]
) -> dict[str, str]:
    (suite, entry), environment = claims[0], result.get("environment") or {}
    tags = {
        "bench.run": entry["run"],
        "bench.suite": suite,
        "bench.suites": ", ".join(sorted({name for name, _ in claims})),
        "bench.cell": entry.get("cell"),
        "bench.baseline": entry.get("baseline"),
        "bench.status": status,
        "bench.error": failure.get("error"),
        "bench.train_digest": (entry["config"].get("train") or {}).get("digest"),
        "bench.weights_sha256": result.get("weights_sha256"),
        "mlflow.source.git.commit": environment.get("commit"),
        **{f"bench.environment.{key}": value for key, value in environment.items()},
        **{f"bench.execution.{key}": value for key, value in (result.get("execution_class") or {}).items()},
    }
    return {key: str(value) for key, value in tags.items() if value is not None}


def _epoch_metrics(events: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    """Of the last record of every epoch: a resumed run may have told an epoch twice."""
    last = {event["epoch"]: event for event in events if event.get("kind") == "epoch"}
    for epoch in sorted(last):
        event = last[epoch]
        told = {
            "epoch.": {key: value for key, value in event.items() if key not in _NOT_MEASURED},
            "epoch.terms.": event.get("terms") or {},
            "validation.": event.get("validation") or {},
            "system/": {name: event.get(key) for key, name in _SYSTEM.items()},
        }
        for key, value in _numbers(told):
            yield key, value, _milliseconds(event["time"]), int(epoch)


def _final_metrics(store: Store, claims: Sequence[Claim], result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    metrics = result.get("metrics") or {}
    yield from _numbers(
        {
            "final.": {key: value for key, value in metrics.items() if key not in _SYSTEM_FINAL},
            "system/": {name: metrics.get(key) for key, name in _SYSTEM_FINAL.items()},
        }
    )
    for name, evaluation in _tested(claims):
        record = store.evaluation(claims[0][1]["run"], evaluation)
        if record is not None:
            bounds = {
                f"{metric}_{end}": interval.get(end)
                for metric, interval in (record.get("intervals") or {}).items()
                for end in ("low", "high")
            }
            yield from _numbers({f"{name}.": {**record["metrics"], **bounds}})
            yield from _numbers({"system/": {f"evaluate_{name}_seconds": record.get("seconds")}})


def _tested(claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    """Name and id of each evaluation; one of another suite that tests otherwise on a protocol is named after both."""
    known: dict[str, str] = {}
    for suite, entry in claims:
        for protocol, evaluation in entry["evaluations"].items():
            if evaluation not in known.values():
                name = f"{suite}/{protocol}" if protocol in known else protocol
                known[name] = evaluation
                yield name, evaluation


def _numbers(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """Prefixed name and value of all that is a number; None means not measurable and is not logged."""
    for group, values in groups.items():
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield key_of(f"{group}{name}"), float(value)


def flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Dotted names and texts of nested options: ``margin.s`` → ``64``."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from flat(f"{prefix}.{name}" if prefix else str(name), inner)
    else:
        yield prefix, value if isinstance(value, str) else canonical(value)


def cut(values: Mapping[str, str], limit: int) -> dict[str, str]:
    """What MLflow takes, without secrets: a command line may hold the address of a database."""
    return {key_of(key): hidden(value)[:limit] for key, value in values.items()}


def key_of(name: str) -> str:
    return _NOT_IN_KEYS.sub("_", name)[:KEY_LIMIT]


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)

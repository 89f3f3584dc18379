"""What the page shows of each single run, small: what many runs share is held once and referred to by number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from bench.catalog.metrics import metric
from bench.data.formats._lists import printable
from bench.records import canonical
from bench.report.labels import protocol_label
from bench.report.results import ReportData
from bench.report.summary import cell_names

POINTS = 120
"""Epochs a curve has at most; of more, every n-th and the last."""
LOG_LINES, LOG_WIDTH, EVENTS = 25, 240, 12
CURVES = {
    "loss": ("loss", "", 1.0),
    "term": ("term", "", 1.0),
    "lr": ("learning rate", "", 1.0),
    "target_angle_deg": ("angle to the class centre", "°", 1.0),
    "validation.accuracy": ("validation accuracy", "%", 100.0),
}
"""Of an epoch's record, by dotted name: how it is called, its unit, and its scale."""
_NOTED = {"warning": "text", "retry": "error", "failed": "error", "superseded": "differs"}

Pool = dict[str, int]


def run_records(data: ReportData) -> dict[str, Any]:
    """``runs``: id → record; ``fields``, ``values``, ``environments``, ``metrics``, ``curves``: what they refer to.

    A run's ``config`` holds for each of ``fields`` a place in ``values`` (JSON text), -1 where it has no such field;
    ``tests`` for each protocol [value, low, high] for each of ``metrics`` (null: not measured; low and high are left
    out where there is no interval). No time of day is in it.
    """
    values, environments, metrics = Pool(), Pool(), Pool()
    names = cell_names(data.frame, data.plan["axes"])
    planned = {run["run"]: run for run in data.plan["runs"]}
    configs = {key: dict(_flat(run["config"])) for key, run in planned.items()}
    fields = list(dict.fromkeys(name for config in configs.values() for name in config))
    runs = {}
    columns = (data.frame[column] for column in ("run", "seed", "cell", "status", "error"))
    for run, seed, cell, status, error in zip(*columns, strict=True):
        config = configs[run]
        runs[run] = {
            "name": names[cell],
            "seed": int(seed),
            "status": status,
            "error": error if isinstance(error, str) else "",
            "config": [_place(values, config[name]) if name in config else -1 for name in fields],
            **_trained(data, run, environments),
            "tests": dict(_tests(data, run, planned[run]["evaluations"], metrics)),
        }
    return {
        "runs": runs,
        "fields": fields,
        "values": list(values),
        "environments": list(environments),
        "metrics": [[_described(name).label, _described(name).unit] for name in metrics],
        "curves": {name: [label, unit] for name, (label, unit, _) in CURVES.items()},
        "command": "python -m bench verify-run",
    }


def _trained(data: ReportData, run: str, environments: Pool) -> dict[str, Any]:
    store = data.store
    events, result, failure = store.events(run), store.outcome(run), store.failure(run)
    found: dict[str, Any] = {"curves": curves(events), "events": list(_noted(events)), "log": _log(store.log_path(run))}
    if failure is not None and failure.get("traceback"):
        found["traceback"] = _tail(str(failure["traceback"]))
    if result is not None:
        told = {**result.get("environment", {}), **result.get("execution_class", {})}
        found["environment"] = _place(environments, canonical({name: _plain(value) for name, value in told.items()}))
        found["facts"] = {name: _plain(result[name]) for name in ("epochs", "steps", "selected_epoch", "weights_sha256")
                          if result.get(name) is not None}  # fmt: skip
    return found


def curves(events: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """``epoch`` and a list as long for each of `CURVES` that has a number in any; the last record of an epoch holds."""
    by_epoch = {event["epoch"]: event for event in events if event.get("kind") == "epoch"}
    epochs = sorted(by_epoch)
    shown = epochs[:: -(-len(epochs) // POINTS) or 1]
    shown = [*shown[:-1], epochs[-1]] if epochs else []
    found: dict[str, list[Any]] = {}
    for name, (_, _, scale) in CURVES.items():
        *inside, last = name.split(".")
        series = [_at(by_epoch[epoch], inside, last) for epoch in shown]
        if any(value is not None for value in series):
            found[name] = [None if value is None else _short(value * scale) for value in series]
    return {"epoch": shown, **found} if found else {}


def _at(event: Mapping[str, Any], inside: Sequence[str], name: str) -> float | None:
    for part in inside:
        event = event.get(part) or {}
    value = event.get(name)
    return None if value is None else float(value)


def _noted(events: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """How often each kind of event was told, then the words of those that have any, the last ones."""
    counts: dict[str, int] = {}
    for event in events:
        kind = str(event.get("kind"))
        counts[kind] = counts.get(kind, 0) + 1
    if counts:
        yield ", ".join(f"{kind} × {count}" if count > 1 else kind for kind, count in counts.items())
    noted = [(kind, event[said]) for event in events for kind, said in _NOTED.items()
             if event.get("kind") == kind and said in event]  # fmt: skip
    for kind, text in noted[-EVENTS:]:
        yield f"{kind}: {_line(str(text))}"


def _log(path: Path) -> str:
    """The end of a log; of a long one only the end is read."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4 * LOG_LINES * LOG_WIDTH))
        return _tail(file.read().decode("utf-8", "replace"))


def _tail(text: str) -> str:
    return "\n".join(map(_line, text.replace(str(Path.home()), "~").splitlines()[-LOG_LINES:]))


def _line(text: str) -> str:
    text = printable(" ".join(text.split("\n")))
    return text if len(text) <= LOG_WIDTH else text[: LOG_WIDTH - 1] + "…"


def _tests(
    data: ReportData, run: str, evaluations: Mapping[str, str], metrics: Pool
) -> Iterable[tuple[str, list[Any]]]:
    order = [protocol for protocol in (*data.plan["protocols"], "train") if protocol in evaluations]
    for protocol in dict.fromkeys(order):
        record = data.store.evaluation(run, evaluations[protocol])
        if record is None:
            continue
        intervals = record.get("intervals") or {}
        row: dict[int, Any] = {}
        for name, value in record["metrics"].items():
            row[_place(metrics, name)] = None if value is None else _measured(name, value, intervals.get(name))
        yield protocol_label(protocol), [row.get(at) for at in range(len(metrics))]


def _measured(name: str, value: float, interval: Mapping[str, Any] | None) -> list[float]:
    scale = _described(name).scale
    ends = [] if not interval else [interval.get("low"), interval.get("high")]
    return [_short(part * scale, 6) for part in (value, *ends) if part is not None]


_described = cache(metric)


@lru_cache(4096, typed=True)
def _text(value: str | float | bool | None) -> str:
    """A value of a configuration; asked for the same few values by every run."""
    return value if isinstance(value, str) else canonical(value)


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, canonical(value) if isinstance(value, list | Mapping) else _text(value)


def _place(pool: Pool, text: str) -> int:
    return pool.setdefault(text, len(pool))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else canonical(value)


def _short(value: float, digits: int = 4) -> float:
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e9 else short

"""One table of results: a row a run, failed and missing runs included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bench.catalog import MARGINS
from bench.collecting import nothing_to_collect
from bench.records import canonical
from bench.report.labels import terms_label
from bench.store import Store

DONE, FAILED, CANCELLED, MISSING = "done", "failed", "cancelled", "missing"


@dataclass(frozen=True)
class ReportData:
    """What a figure or table of one suite is made from: its rows, its plan, the store for scores and angles, and what a
    search of it tried and found (as ``search.json`` has it). ``memo``: what was worked out of these once for all."""

    frame: pd.DataFrame
    plan: Mapping[str, Any]
    store: Store
    search: Mapping[str, Any] | None = None
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def done(self) -> pd.DataFrame:
        return self.frame[self.frame["status"] == DONE]

    def evaluations(self, frame: pd.DataFrame, protocol: str) -> Iterable[tuple[str, str]]:
        """(run id, evaluation id) of this protocol for each run of ``frame`` that has one."""
        planned = {run["run"]: run["evaluations"] for run in self.plan["runs"]}
        for run in frame["run"]:
            if protocol in planned[run]:
                yield run, planned[run][protocol]


def load_results(store: Store, names: Sequence[str]) -> pd.DataFrame:
    """All planned runs of the suites, in plan order.

    Columns: suite, run, seed, status (done, failed, cancelled, missing), error, cell, baseline, the axes' labels by
    dotted name, backbone and margin (their names where they are no axes), variant (as ``margin_variant`` says it),
    terms (the names, "" for none), share (of the classes in a step), select, gate, profile (None without a term),
    strength (0 without one), execution_class, loss and ``<protocol>.<metric>`` (float; NaN = not measurable or not
    there).
    Raises StoreError for a suite without a plan.
    """
    rows, metrics = [], []
    with nothing_to_collect():
        for name in names:
            for run in store.plan(name)["runs"]:
                found = _metrics(store, run)
                rows.append(_row(store, name, run, found))
                metrics.append(_flat(found))
    store.save_index()
    frame = pd.DataFrame(rows).astype({"loss": "float64"})
    frame = pd.concat([frame, pd.DataFrame(metrics, index=frame.index, dtype="float64")], axis=1)
    return frame.drop_duplicates(["suite", "cell", "seed"], ignore_index=True)


def report_data(store: Store, name: str) -> ReportData:
    return ReportData(load_results(store, [name]), store.plan(name), store, store.search(name))


def execution_classes(frame: pd.DataFrame) -> list[str]:
    """Every class in which runs of the table were trained, as canonical JSON."""
    return sorted(frame["execution_class"].dropna().unique())


def _metrics(store: Store, planned: Mapping[str, Any]) -> dict[str, Mapping[str, float | None] | None]:
    """The metrics of each planned protocol, None where it has not been evaluated."""
    return {p: store.metrics(planned["run"], key) for p, key in planned["evaluations"].items()}


def _flat(found: Mapping[str, Mapping[str, float | None] | None]) -> dict[str, float | None]:
    return {f"{p}.{name}": value for p, metrics in found.items() for name, value in (metrics or {}).items()}


def _row(
    store: Store, suite: str, planned: Mapping[str, Any], found: Mapping[str, Mapping[str, float | None] | None]
) -> dict[str, Any]:
    run, config = planned["run"], planned["config"]
    term = config.get("enhancement") or {}
    result = store.outcome(run)
    status, error = _status(store, run, result, [p for p, metrics in found.items() if metrics is None])
    return {
        "suite": suite,
        "run": run,
        "seed": planned["seed"],
        "status": status,
        "error": error,
        "cell": planned["cell"],
        "baseline": planned["baseline"],
        "backbone": config["backbone"]["name"],
        "margin": config["margin"]["name"],
        "terms": terms_label(config.get("terms", ())),
        **planned["axes"],
        "variant": margin_variant(config["margin"], planned["axes"]),
        "share": config.get("classifier", {}).get("share", 1.0),
        "select": config.get("recipe", {}).get("select", "last"),
        "gate": term.get("gate", {}).get("name"),
        "profile": term.get("profile", {}).get("name"),
        "strength": float(term.get("strength", 0.0)),
        "execution_class": canonical(result["execution_class"]) if result else None,
        "loss": result["metrics"].get("loss") if result else None,
    }


def margin_variant(margin: Mapping[str, Any], axes: Mapping[str, str]) -> str:
    """In words, what makes this margin another one than its name says: values of ``named`` options, not on an axis.

    A margin that is not registered where the report is written has options whose meaning is not known, and says so.
    """
    if margin["name"] not in MARGINS:
        return "not installed here"
    found = (
        (option.name, margin.get(option.name, option.default))
        for option in MARGINS.get(margin["name"]).options
        if option.named and margin.get(option.name, option.default) != option.default
    )
    said = axes.get("margin", "")
    words = [
        name if value is True else str(value)
        for name, value in found
        if f"margin.{name}" not in axes and f"{name}=" not in said
    ]
    return ", ".join(words).replace("_", "-")


def _status(
    store: Store, run: str, result: Mapping[str, Any] | None, unevaluated: Sequence[str]
) -> tuple[str, str | None]:
    failure = store.failure(run)
    if store.cancelled(run) and (result is None or unevaluated):
        return CANCELLED, f"cancelled; failed before: {failure['error']}" if failure else "cancelled"
    if failure is not None and (result is None or unevaluated):
        return FAILED, str(failure["error"])
    if result is None:
        return MISSING, "not trained"
    if unevaluated:
        return MISSING, "not evaluated: " + ", ".join(unevaluated)
    return DONE, None

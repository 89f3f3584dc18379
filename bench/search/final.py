"""After the search: the chosen configuration and its baseline, on all training identities, with the same fresh seeds,
tested once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.data.resolve import PreparedData, prepare
from bench.scheduling.plan import Plan, PlannedRun, Tell
from bench.search.found import Found
from bench.search.subject import (
    Values,
    baseline_cell,
    baseline_values,
    blinded,
    block_of,
    planned,
    searches_term,
    trial_seeds,
    whole,
)  # fmt: skip
from bench.suite.suite import Suite


def final_runs(
    found: Found, data: PreparedData, *, fair: bool
) -> tuple[tuple[PlannedRun, ...], tuple[PlannedRun, ...]]:
    """The runs of the chosen configuration, and of its baseline: none in a fair search of other fields than the
    enhancing term's, which compares the winners with each other."""
    subject, values = found.subject, found.chosen.values_of
    seeds = block_of(subject.suite).retrain_seeds
    best = planned(subject, whole(subject.cell(values)), values, seeds, data)
    if fair and not searches_term(subject):
        return best, ()
    return best, planned(subject, whole(baseline_cell(subject, values)), baseline_values(subject, values), seeds, data)


def final_plan(
    suite: Suite, founds: Sequence[Found], *, fair: bool = False, tell: Tell | None = None
) -> tuple[Plan, list[tuple[str, str | None]]]:
    """All runs of the final comparison, each once, the baselines first; and for each study the cells of its best and
    of its baseline."""
    runs: dict[tuple[str, str], PlannedRun] = {}
    notes: dict[str, None] = {}
    cells = list[tuple[str, str | None]]()
    prepared: dict[str, PreparedData] = {}
    for found in founds:
        block = found.subject.cell({}).data
        key = block.model_dump_json()
        data = prepared[key] = prepared.get(key) or prepare(block, tell=tell)
        best, baseline = final_runs(found, data, fair=fair)
        for run in (*baseline, *best):
            runs.setdefault((run.run, run.cell), run)
        notes |= dict.fromkeys(data.notes)
        cells.append((best[0].cell, baseline[0].cell if baseline else None))
    return Plan(suite, tuple(runs.values()), {}, tuple(notes)), cells


def trials_plan(suite: Suite, founds: Sequence[Found]) -> Plan:
    """The baselines and the trials that ran to their end, as a suite of its own name, for the trackers."""
    runs: dict[str, PlannedRun] = {}

    def add(found: Found, values: Values, *, baseline: bool) -> None:
        subject = found.subject
        cell = blinded(baseline_cell(subject, values) if baseline else subject.cell(values))
        named = baseline_values(subject, values) if baseline else values
        for run in planned(subject, cell, named, trial_seeds(suite), found.data):
            runs.setdefault(run.run, run)

    for found in founds:
        add(found, found.chosen.values_of, baseline=True)
        for trial in found.trials:
            if trial.state == "complete":
                add(found, trial.values_of, baseline=False)
    return Plan(replace(suite, name=f"{suite.name}.trials"), tuple(runs.values()), {})

"""``search.json``: what was tried and found, in one format for every search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.scheduling.plan import Plan
from bench.search.course import values_in_words
from bench.search.found import Found, Trial
from bench.search.objective import DIRECTIONS, WHERE, accuracy_interval
from bench.search.subject import block_of, trial_seeds
from bench.search.verdict import verdict
from bench.store import Store
from bench.suite.search_block import Searched
from bench.suite.space import ends, labels
from bench.suite.suite import Suite

SCHEMA = 2


def search_record(
    suite: Suite, store: Store, founds: Sequence[Found], plan: Plan, cells: Sequence[tuple[str, str | None]], *,
    trials: int, fair: bool, command: str,
) -> dict[str, Any]:  # fmt: skip
    """The record. ``plan`` and ``cells``: the final comparison; ``trials``: how many each study was asked for."""
    block = block_of(suite)
    pruner = {"name": "none"} if fair or block.pruner is None else block.pruner.flat
    intervals = [
        accuracy_interval(store, found.baseline.runs) if "accuracy" in block.objectives else None for found in founds
    ]
    studies = [
        {
            "label": found.subject.label,
            "study": found.study,
            "trials": [_trial(trial) for trial in found.trials],
            "baseline": _trial(found.baseline),
            "baseline_interval": None if interval is None else list(interval),
            "best": list(found.best),
            "chosen": found.chosen.number,
            "budget": budget([found], trials),
            "final": {"best": best, "baseline": baseline, "seeds": block.retrain_seeds},
        }
        for found, interval, (best, baseline) in zip(founds, intervals, cells, strict=True)
    ]
    return {
        "schema": SCHEMA,
        "suite": suite.name,
        "command": command,
        "fair": " × ".join(founds[0].subject.axes) if fair else None,
        "text": verdict(store, founds, intervals, plan, cells, fair=fair),
        "objectives": [
            {"name": name, "direction": DIRECTIONS[name], "where": WHERE[name]} for name in block.objectives
        ],
        "space": {name: _searched(searched) for name, searched in block.fields.items()},
        "sampler": {**block.sampler.flat, "seed": block.seed},
        "pruner": pruner,
        "seeds": trial_seeds(suite),
        "budget": budget(founds, trials),
        "studies": studies,
    }


def budget(founds: Sequence[Found], trials: int) -> dict[str, Any]:
    """What studies were given and took: each configuration counts once, the baselines aside."""
    tried = {trial.runs: trial for found in founds for trial in found.trials if trial.runs}
    return {
        "trials": trials * len(founds),
        "configurations": len(tried),
        "epochs": sum(trial.epochs for trial in tried.values()),
        "seconds": math.fsum(trial.seconds or 0.0 for trial in tried.values()),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "params": dict(trial.params),
        "values": None if trial.values is None else list(trial.values),
        "runs": list(trial.runs),
        "intermediate": {str(step): value for step, value in trial.intermediate.items()},
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "why": trial.why,
    }


def _searched(searched: Searched) -> dict[str, Any]:
    choices = searched.choices
    low, high = (None, None) if choices is not None else ends(searched)
    return {
        "kind": searched.kind,
        "low": low,
        "high": high,
        "log": searched.log,
        "step": searched.step,
        "choices": None if choices is None else labels(choices),
        "when": searched.when,
    }


def rows(record: dict[str, Any]) -> list[dict[str, str]]:
    """The baselines and trials of a record for printing, each study's best first."""
    names, found = [each["name"] for each in record["objectives"]], []
    for study in record["studies"]:
        places = dict.fromkeys(study["best"], "best") | {study["chosen"]: "chosen"}
        sign = -1 if record["objectives"][0]["direction"] == "maximize" else 1
        trials = sorted(study["trials"], key=lambda t: (t["values"] is None, sign * (t["values"] or [0.0])[0]))
        for trial in [study["baseline"], *trials]:
            tried = ", ".join(f"{name} {_shown(value)}" for name, value in trial["params"].items())
            found.append(
                {
                    **({"of": study["label"]} if record["fair"] else {}),
                    "trial": "baseline" if trial["number"] < 0 else str(trial["number"]),
                    "state": places.get(trial["number"], trial["state"]),
                    **dict(zip(names, values_in_words(names, trial["values"] or []), strict=True)),
                    "configuration": f"{tried} ({trial['why']})" if trial["why"] else tried,
                }
            )
    return found


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

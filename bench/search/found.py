"""What a study found: its trials, the baseline, and which trial is retrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.data.resolve import PreparedData
from bench.search.objective import DIRECTIONS, values_of
from bench.search.proposals import values_of_params
from bench.search.subject import Subject, baseline_values, block_of, known_as
from bench.store import Store

if TYPE_CHECKING:
    import optuna

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
CUT_SHORT = "the search was ended while it ran"


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried. ``params``: as ``search.json`` has it; ``values_of``: as a suite would have
    it; ``values``: its objectives, None where it did not end; ``epochs`` and ``seconds``: of all its runs."""

    number: int
    state: str
    params: Mapping[str, Any]
    values_of: Mapping[str, Any]
    values: tuple[float, ...] | None
    runs: tuple[str, ...]
    intermediate: Mapping[int, float]
    epochs: int
    seconds: float | None
    why: str | None = None


@dataclass(frozen=True)
class Found:
    """What one study found. ``best``: the numbers of the trials that none beats in every objective."""

    subject: Subject
    study: str
    trials: tuple[Trial, ...]
    baseline: Trial
    best: tuple[int, ...]
    data: PreparedData

    @property
    def chosen(self) -> Trial:
        """What is retrained: of the best, those not worse than the baseline in any objective but the first, or all
        where there is none; of these the one with the best first objective."""
        objectives = block_of(self.subject.suite).objectives
        best = [trial for trial in self.trials if trial.number in self.best]
        sound = [trial for trial in best if not worse_in(trial, self.baseline, objectives)]
        return max(sound or best, key=lambda trial: (_gain(trial, objectives, 0), -trial.number))


def worse_in(trial: Trial, other: Trial, objectives: Sequence[str]) -> list[str]:
    """The objectives, the first aside, in which a trial is worse than another."""
    return [
        name for i, name in enumerate(objectives) if i and _gain(trial, objectives, i) < _gain(other, objectives, i)
    ]


def _gain(trial: Trial, objectives: Sequence[str], place: int) -> float:
    value = (trial.values or ())[place]
    return value if DIRECTIONS[objectives[place]] == "maximize" else -value


def trials_of(study: optuna.Study, subject: Subject, store: Store) -> tuple[Trial, ...]:
    """Every trial of a study that was begun, in order."""
    return tuple(
        _trial(found, subject, store) for found in study.get_trials(deepcopy=False) if found.state.name in STATES
    )


def _trial(found: optuna.trial.FrozenTrial, subject: Subject, store: Store) -> Trial:
    runs, state = found.user_attrs.get("runs", []), STATES[found.state.name]
    epochs, seconds = spent(store, runs)
    return Trial(
        number=found.number,
        state=state,
        params=dict(found.params),
        values_of=values_of_params(subject, found.params),
        values=tuple(found.values) if state == "complete" else None,
        runs=tuple(runs),
        intermediate=dict(sorted(found.intermediate_values.items())),
        epochs=epochs,
        seconds=seconds,
        why=found.user_attrs.get("why", CUT_SHORT) if state == "failed" else None,
    )


def spent(store: Store, runs: Sequence[str]) -> tuple[int, float | None]:
    """Epochs and seconds of training that runs took so far, finished or not; None where nothing was timed."""
    epochs, seconds = 0, list[float]()
    for run in runs:
        told = store.epochs(run)
        epochs += len(told)
        seconds += [float(told[-1]["seconds"])] if told and "seconds" in told[-1] else []
    return epochs, sum(seconds) if seconds else None


def baseline_trial(subject: Subject, values: Mapping[str, Any], runs: Sequence[str], store: Store) -> Trial:
    """The baseline beside a configuration (none: beside the suite's own cell), which is trained."""
    given = baseline_values(subject, values)
    fields = subject.fields
    params = {name: known_as(fields[name], value) if name in fields else value for name, value in given.items()}
    told = [store.epochs(run) for run in runs]
    each: dict[int, list[float]] = {event["epoch"]: [] for event in told[0] if event.get("validation")}
    for events in told:
        for event in events:
            if event["epoch"] in each:
                each[event["epoch"]].append(event["validation"]["accuracy"])
    epochs, seconds = spent(store, runs)
    return Trial(
        -1, "complete", params, given, tuple(values_of(store, runs, block_of(subject.suite).objectives)), tuple(runs),
        {epoch: sum(found) / len(found) for epoch, found in each.items()}, epochs, seconds,
    )  # fmt: skip

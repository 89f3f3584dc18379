"""The course of one study: which run it wants next, and what it makes of what workers tell.

It asks Optuna for configurations and tells it how they went; it trains nothing and knows no slots.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from bench.catalog import PRUNERS
from bench.data.resolve import PreparedData
from bench.errors import BenchError, SuiteError
from bench.scheduling.jobs import Event
from bench.scheduling.plan import PlannedRun
from bench.search.objective import values_of
from bench.search.proposals import propose, quietly
from bench.search.storage import Asking
from bench.search.subject import Subject, blinded, block_of, planned, trial_seeds
from bench.store import Store

if TYPE_CHECKING:
    import optuna

ENDS = ("done", "pruned", "failed", "cancelled", "elsewhere")


@dataclass(eq=False)
class Attempt:
    """A trial that is under way. ``left``: its runs that have not ended; ``scores``: epoch → run → accuracy; ``ends``:
    seed's place → accuracy; ``over``: "pruned" or "failed" once its other runs are not worth their while."""

    trial: optuna.Trial
    runs: tuple[PlannedRun, ...]
    left: set[str]
    scores: dict[int, dict[str, float]] = field(default_factory=dict)
    ends: dict[int, float] = field(default_factory=dict)
    over: str = ""
    why: str = ""


class Course:
    """One study on its way to ``trials`` finished ones. ``note``: told what is to be shown, in words."""

    def __init__(
        self, subject: Subject, study: optuna.Study, store: Store, data: PreparedData, *, trials: int, fair: bool,
        note: Callable[[Event], None],
    ) -> None:  # fmt: skip
        self.subject, self.study, self.store, self.data, self.trials = subject, study, store, data, trials
        self.block, self.note, self.asking = block_of(subject.suite), note, Asking(study)
        pruner = "none" if fair or self.block.pruner is None else self.block.pruner.name
        self.over = PRUNERS.get(pruner).traits["over"]
        self.open: dict[str, list[Attempt]] = {}
        self.queue: deque[tuple[Attempt, PlannedRun]] = deque()
        self.label = f"{subject.label}: " if subject.label else ""
        self.exhausted = False
        self.failed_in_a_row = self.told = 0

    @property
    def finished(self) -> int:
        return sum(t.state.name in ("COMPLETE", "PRUNED") for t in self.study.get_trials(deepcopy=False))

    @property
    def begun(self) -> int:
        """Trials that are finished or under way."""
        return self.finished + len({id(attempt) for attempts in self.open.values() for attempt in attempts})

    @property
    def wants(self) -> bool:
        """Whether there is anything to train yet, as far as it is known."""
        return bool(self.queue) or (not self.exhausted and self.begun < self.trials)

    def next_run(self) -> PlannedRun | None:
        """The next run to train; None where there is nothing to do before one that is under way ends."""
        while self.wants:
            while self.queue:
                attempt, run = self.queue.popleft()
                if not all(other.over for other in self.open.get(run.run, [attempt])):
                    return run
                self._end(run.run, {"kind": "given up"})
            if self.begun < self.trials and not self.exhausted:
                self._propose()
        return None

    def hear(self, event: Event) -> str | None:
        """The verdict on a run of this study after an epoch; of every other event None."""
        attempts = self.open.get(event["run"])
        if attempts is None:
            return None
        if event["kind"] == "epoch" and event.get("validation"):
            for attempt in attempts:
                self._scored(attempt, event["run"], event["epoch"], event["validation"]["accuracy"])
            return "prune" if all(attempt.over for attempt in attempts) else None
        if event["kind"] in ENDS:
            self._end(event["run"], event)
        return None

    def _propose(self) -> None:
        found = propose(self.asking, self.subject)
        if found is None:
            self.exhausted = True
            return
        trial, values = found
        try:
            cell = blinded(self.subject.cell(values))
        except SuiteError as error:
            self._conclude(Attempt(trial, (), set(), over="failed", why=str(error)))
            return
        runs = planned(self.subject, cell, values, trial_seeds(self.subject.suite), self.data)
        trial.set_user_attr("runs", [run.run for run in runs])
        attempt = Attempt(trial, runs, {run.run for run in runs})
        for run in runs:
            self.note({"kind": "named", "run": run.run, "name": f"{self.label}trial {trial.number}, seed {run.seed}"})
            others = self.open.setdefault(run.run, [])
            others.append(attempt)
            if self.store.result(run.run) is None:
                if len(others) == 1:
                    self.queue.append((attempt, run))
                continue
            for event in self.store.epochs(run.run):  # trained before, so it is free
                if event.get("validation"):
                    self._scored(attempt, run.run, event["epoch"], event["validation"]["accuracy"])
            self._end(run.run, {"kind": "done"})

    def _scored(self, attempt: Attempt, run: str, epoch: int, accuracy: float) -> None:
        """Reports an epoch once all seeds have told it; of a trial that is over nothing more."""
        of_epoch = attempt.scores.setdefault(epoch, {})
        new = run not in of_epoch  # a resumed run may tell an epoch twice
        of_epoch[run] = accuracy
        if new and not attempt.over and len(of_epoch) == len(attempt.runs) and self.block.objectives == ["accuracy"]:
            if self.over != "seeds":
                attempt.trial.report(fmean(of_epoch.values()), epoch)
            if self.over == "epochs":
                self._judge(attempt)

    def _judge(self, attempt: Attempt) -> None:
        with quietly():
            if attempt.trial.should_prune():
                attempt.over = "pruned"

    def _end(self, run: str, event: Event) -> None:
        for attempt in self.open.pop(run, ()):
            attempt.left.discard(run)
            if event["kind"] == "done":
                self._seed_done(attempt, run)
            elif event["kind"] not in ("pruned", "given up") and not attempt.over:
                attempt.over, attempt.why = "failed", _why(event)
            if not attempt.left:
                self._conclude(attempt)

    def _seed_done(self, attempt: Attempt, run: str) -> None:
        if self.over != "seeds" or attempt.over:
            return
        try:
            score = values_of(self.store, [run], ["accuracy"])[0]
        except BenchError:
            return  # is told when the trial is concluded
        place = next(i for i, each in enumerate(attempt.runs) if each.run == run)
        attempt.trial.report(score, place)
        if attempt.left:
            self._judge(attempt)

    def _conclude(self, attempt: Attempt) -> None:
        from optuna.trial import TrialState

        values: list[float] | None = None
        if not attempt.over:
            try:
                values = values_of(self.store, [run.run for run in attempt.runs], self.block.objectives)
            except BenchError as error:
                attempt.over, attempt.why = "failed", str(error)
        self.told += 1
        if attempt.over == "failed":
            attempt.trial.set_user_attr("why", attempt.why)
            self.study.tell(attempt.trial, state=TrialState.FAIL)
            self.failed_in_a_row += 1
            self._tell_failure(attempt)
            return
        self.failed_in_a_row = 0
        with quietly():
            if values is None:
                self.study.tell(attempt.trial, state=TrialState.PRUNED)
            else:
                self.study.tell(attempt.trial, values)
        self._tell_progress(attempt, values)

    def _tell_failure(self, attempt: Attempt) -> None:
        self.note(
            {"kind": "note", "run": "", "text": f"{self.label}trial {attempt.trial.number} failed: {attempt.why}"}
        )
        if self.failed_in_a_row >= self.block.failures:
            raise BenchError(
                f"{self.label}{self.failed_in_a_row} trials failed in a row, the last with: {attempt.why}\n"
                "mend the cause, narrow search.space, or raise search.failures; asking again goes on"
            )

    def _tell_progress(self, attempt: Attempt, values: list[float] | None) -> None:
        text = f"{self.label}trial {self.finished} of {self.trials} (number {attempt.trial.number}): "
        text += "pruned" if values is None else in_words(self.block.objectives, values)
        if len(self.block.objectives) == 1 and any(t.state.name == "COMPLETE" for t in self.study.get_trials(False)):
            best = self.study.best_trial
            text += f"; best so far {in_words(self.block.objectives, best.values)} (number {best.number})"
        self.note({"kind": "note", "run": "", "text": text})


def in_words(objectives: Sequence[str], values: Sequence[float]) -> str:
    """``accuracy 93.20 %, cost 1.2e+12``."""
    return ", ".join(map(" ".join, zip(objectives, values_in_words(objectives, values), strict=True)))


def values_in_words(objectives: Sequence[str], values: Sequence[float]) -> list[str]:
    """Each with its unit; ``–`` for all of a trial that has none."""
    said = {"accuracy": lambda v: f"{100 * v:.2f} %", "isotropy": lambda v: f"{v:.3f}", "cost": lambda v: f"{v:.3g}"}
    if not values:
        return ["–"] * len(objectives)
    return [said[name](value) for name, value in zip(objectives, values, strict=True)]


def _why(event: Event) -> str:
    return {
        "failed": str(event.get("error", "failed")),
        "cancelled": "its run was cancelled; `bench retry` takes that back",
        "elsewhere": "another process trains its run",
    }[event["kind"]]

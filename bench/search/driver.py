"""Searching: all studies of a suite side by side on one executor, then one honest comparison.

The search never opens a reported protocol: its trials are planned with an empty list of protocols. Optuna proposes
and prunes; trials are runs of the same store and scheduler, so one that was trained before costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bench.data.resolve import PreparedData, prepare
from bench.errors import BenchError
from bench.scheduling.execute import Executor
from bench.scheduling.jobs import Event, Job
from bench.scheduling.plan import PlannedRun, Tell, check_sizes
from bench.scheduling.suite_run import do_runs, make_executor, make_jobs
from bench.search.course import ENDS, Course
from bench.search.found import Found, Trial, baseline_trial, trials_of
from bench.search.study import open_study
from bench.search.subject import (
    Subject,
    baseline_cell,
    baseline_values,
    blinded,
    block_of,
    planned,
    subjects,
    trial_seeds,
)  # fmt: skip
from bench.store import Store
from bench.suite.suite import Suite

OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class _Searching:
    """A course and the runs of the baseline that its trials are compared with."""

    course: Course
    baseline: tuple[PlannedRun, ...]

    @property
    def subject(self) -> Subject:
        return self.course.subject


def search(
    suite: Suite, store: Store, *, trials: int | None = None, fair: bool = False, storage: str | None = None,
    executor: Executor | None = None, tell: Tell | None = None, on_event: OnEvent = lambda event: None,
) -> list[Found]:  # fmt: skip
    """Runs trials until each study has ``trials`` (default: the suite's) finished ones, going on from earlier calls.

    ``fair``: each cell of the suite's grid has a study of its own. ``storage``: the URL of a database in place of the
    suite's. Raises BenchError where too many trials fail in a row, and where a study has nothing to compare.
    """
    block = block_of(suite)
    searching = []
    prepared: dict[str, PreparedData] = {}
    for subject in subjects(suite, fair=fair):
        cell = blinded(subject.cell({}))
        key = cell.data.model_dump_json()
        data = prepared[key] = prepared.get(key) or prepare(cell.data, tell=tell)
        check_sizes(cell, data)
        study = open_study(subject, cell, data, store, fair=fair, url=storage or block.storage)
        course = Course(subject, study, store, data, trials=trials or block.trials, fair=fair, note=on_event)
        searching.append(_Searching(course, _baseline(subject, {}, data)))
    executor = executor or make_executor(suite.executor, subject.cell({}).recipe.threads)
    _drive(searching, store, executor, on_event)
    return [_found(each, store, suite, executor, on_event) for each in searching]


def _baseline(subject: Subject, values: dict[str, object], data: PreparedData) -> tuple[PlannedRun, ...]:
    cell = blinded(baseline_cell(subject, values))
    return planned(subject, cell, baseline_values(subject, values), trial_seeds(subject.suite), data)


def _drive(searching: Sequence[_Searching], store: Store, executor: Executor, on_event: OnEvent) -> None:
    """Until no course wants anything more. An executor is done when the jobs run out, so trials that fail last are
    replaced in another round."""
    courses = [each.course for each in searching]
    open_runs: set[str] = set()

    def jobs() -> Iterator[Job]:
        for label, run in ((each.course.label, run) for each in searching for run in each.baseline):
            if store.result(run.run) is None and run.run not in open_runs:
                open_runs.add(run.run)
                on_event({"kind": "named", "run": run.run, "name": f"{label}baseline, seed {run.seed}"})
                yield from make_jobs([run], store)
        while (found := _next(courses)) is not None:
            course, run = found
            if run.run not in open_runs:  # else another course has it, and all hear of it
                open_runs.add(run.run)
                yield from make_jobs([run], store, ask=bool(course.over))

    def hear(event: Event) -> str | None:
        on_event(event)
        verdicts = [course.hear(event) for course in courses if event["run"] in course.open]
        if event["kind"] in ENDS:
            open_runs.discard(event["run"])
        return "prune" if verdicts and all(verdicts) else None

    with ExitStack() as beating:
        for course in courses:
            beating.enter_context(course.asking.beating())
        while True:
            before = sum(course.told for course in courses)
            executor.run(jobs(), hear)
            if not any(course.wants for course in courses) or sum(course.told for course in courses) == before:
                return


def _next(courses: Sequence[Course]) -> tuple[Course, PlannedRun] | None:
    """A run of the course that has begun least."""
    for course in sorted(courses, key=lambda course: course.begun):
        run = course.next_run()
        if run is not None:
            return course, run
    return None


def _found(searching: _Searching, store: Store, suite: Suite, executor: Executor, on_event: OnEvent) -> Found:
    """What a study found, with the baseline that differs from its best in nothing but what is compared."""
    course, subject = searching.course, searching.subject
    trials = trials_of(course.study, subject, store)
    done = [trial for trial in trials if trial.state == "complete"]
    if not done:
        raise BenchError(f"{course.label}the search has no finished trial to compare; see the failed runs")
    first = _measured(searching.baseline, {}, course, store, suite, executor, on_event)
    best = tuple(sorted(trial.number for trial in course.study.best_trials))
    found = Found(subject, course.study.study_name, trials, first, best, course.data)
    values = dict(found.chosen.values_of)
    twin = _baseline(subject, values, course.data)
    if tuple(run.run for run in twin) == first.runs:
        return found
    return replace(found, baseline=_measured(twin, values, course, store, suite, executor, on_event))


def _measured(
    runs: tuple[PlannedRun, ...], values: dict[str, object], course: Course, store: Store, suite: Suite,
    executor: Executor, on_event: OnEvent,
) -> Trial:  # fmt: skip
    """The baseline, trained where it is not."""
    missing = [run for run in runs if store.result(run.run) is None]
    failed = do_runs(missing, store, suite.executor, executor=executor, on_event=on_event)
    if failed:
        raise BenchError(f"{course.label}the baseline failed: {next(iter(failed.values()))}")
    return baseline_trial(course.subject, values, [run.run for run in runs], store)

"""Doing what plans still lack."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.catalog import EXECUTORS
from bench.data.cache import cache_root
from bench.errors import BenchError
from bench.records import remove_leftovers
from bench.scheduling.execute import Executor
from bench.scheduling.expected import Measured, expected_seconds, measure, shape_of
from bench.scheduling.jobs import Event, Job, Setting
from bench.scheduling.leases import Mark, Watch
from bench.scheduling.order import in_order
from bench.scheduling.plan import Plan, PlannedRun
from bench.store import Store
from bench.suite.schema import ExecutorBlock
from bench.suite.suite import Suite

LOOK_SECONDS = 1.0
LATEST = 500  # results that are looked at to know how long runs take

Begin = Callable[[dict[str, str], int, int], None]
"""Told which runs are to be done (id → name), how many are done already, and how many are cancelled and left out."""


def run_plan(
    plan: Plan, store: Store, *, command: str, executor: Executor | None = None, same_class: bool = False,
    on_event: Callable[[Event], None] = lambda event: None, begin: Begin = lambda names, done, cancelled: None,
) -> dict[str, str]:  # fmt: skip
    """``run_plans`` for one."""
    return run_plans(
        [plan], store, command=command, executor=executor, same_class=same_class, on_event=on_event, begin=begin
    )


def run_plans(
    plans: Sequence[Plan], store: Store, *, command: str, executor: Executor | None = None, same_class: bool = False,
    on_event: Callable[[Event], None] = lambda event: None, begin: Begin = lambda names, done, cancelled: None,
) -> dict[str, str]:  # fmt: skip
    """Writes the plans, does their missing runs (failed ones again), and returns run id → reason of those that failed.

    All go through one executor, ``in_order``; a run of several suites is done once. Runs that another process works at
    are waited for, and taken over if that process is gone. ``same_class``: those that were trained in another execution
    class than the worker that gets them are trained again. Raises BenchError for suites that cannot run together.
    """
    check_together([plan.suite for plan in plans])
    for plan in plans:
        remove_leftovers(store.suite_folder(plan.suite.name))
        store.write_plan(plan.suite.name, plan.record(command))
    left = ("cancelled",) if same_class else ("done", "cancelled")
    todo: dict[tuple[str, str], PlannedRun] = {}
    suites: dict[str, Suite] = {}
    cancelled = set()
    for plan in sorted(plans, key=lambda plan: -plan.suite.executor.priority):
        for run in plan.runs:
            if (run.run, run.cell) in todo:
                continue
            state = run.state(store)
            if state == "cancelled":
                cancelled.add(run.run)
            if state not in left:
                todo[run.run, run.cell] = run
                suites.setdefault(run.run, plan.suite)
    store.save_index()
    names = names_of(todo.values())
    if len(plans) > 1:
        names = {run: f"{suites[run].name}: {name}" for run, name in names.items()}
    planned = {run.run for plan in plans for run in plan.runs}
    begin(names, len(planned - cancelled - names.keys()), len(cancelled))
    turns = {run: (suite.name, suite.executor.priority) for run, suite in suites.items()}
    return do_runs(
        list(todo.values()), store, plans[0].suite.executor, executor=executor, turns=turns, same_class=same_class,
        on_event=on_event,
    )  # fmt: skip


def names_of(runs: Iterable[PlannedRun]) -> dict[str, str]:
    """Run id → its values on the axes and its seed, as the live view shows them."""
    return {run.run: ", ".join([*run.axes.values(), f"seed {run.seed}"]) for run in runs}


def do_runs(
    todo: Sequence[PlannedRun], store: Store, block: ExecutorBlock, *, executor: Executor | None = None,
    turns: Mapping[str, tuple[str, int]] | None = None, same_class: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> dict[str, str]:  # fmt: skip
    """Does runs and returns run id → reason of those that failed; see ``run_plans``.

    ``turns``: the suite that each run counts for, and its priority; without them all are one suite's.
    """
    if not todo:
        return {}
    measured = measure(latest_results(store))
    failed: dict[str, str] = {}
    elsewhere: set[str] = set()

    def hear(event: Event) -> None:
        if event["kind"] == "failed":
            failed[event["run"]] = event["error"]
        if event["kind"] == "elsewhere":
            elsewhere.add(event["run"])
        on_event(event)

    def jobs(runs: Iterable[PlannedRun], stale: Mapping[str, Mark]) -> Iterator[Job]:
        for job in make_jobs(runs, store, stale=stale, measured=measured, same_class=same_class):
            suite, priority = (turns or {}).get(job.runs[0]["run"], ("", 0))
            yield replace(job, suite=suite, priority=priority)

    threads = max(int(run.config["recipe"]["threads"]) for run in todo)
    executor = executor or make_executor(block, threads)
    executor.run(in_order(jobs(todo, {})), hear)
    watch = Watch()
    while waiting := [run for run in todo if run.run in elsewhere]:
        free = _freed(waiting, store, watch)
        # of the same class? only a worker knows
        for done in {run.run for run in waiting if run.state(store) == "done" and not same_class}:
            elsewhere.discard(done)
            on_event({"run": done, "kind": "done"})
        again = [run for run in waiting if run.run in free and run.run in elsewhere]
        elsewhere -= {run.run for run in again}
        executor.run(in_order(jobs(again, {run: mark for run, mark in free.items() if mark})), hear)
    return failed


def check_together(suites: Sequence[Suite]) -> None:
    """Raises BenchError if suites cannot run in one call: two of one name, or with different executors."""
    first = suites[0]
    names = [suite.name for suite in suites]
    if repeated := [suite for i, suite in enumerate(suites) if suite.name in names[:i]]:
        raise BenchError(f"{repeated[0].file}: a suite called {repeated[0].name!r} is given already; names must differ")
    for suite in suites:
        ours, theirs = (each.executor.model_dump(exclude={"priority"}) for each in (first, suite))
        differing = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
        if differing:
            found = ", ".join(f"executor.{key} is {theirs.get(key)}, not {ours.get(key)}" for key in differing)
            raise BenchError(f"{suite.file}: {found} as in {first.file}; suites that run together share one executor")


def latest_results(store: Store) -> Iterator[dict[str, Any]]:
    """The results of those runs whose folders changed last, enough to know how long like ones take."""
    folders = map(store.run_folder, store.run_ids())
    changed = {folder.name: folder.stat().st_mtime for folder in folders if folder.exists()}
    for run in sorted(changed, key=lambda run: -changed[run])[:LATEST]:
        if (result := store.result(run)) is not None:
            yield result


def _freed(waiting: Iterable[PlannedRun], store: Store, watch: Watch) -> dict[str, Mark | None]:
    """After a moment: the runs among those held elsewhere whose lease can be had, with the mark to take it by."""
    time.sleep(LOOK_SECONDS)
    looked = {run: watch.free(store.run_folder(run)) for run in {run.run for run in waiting}}
    return {run: mark for run, (free, mark) in looked.items() if free}


def make_executor(block: ExecutorBlock, threads: int) -> Executor:
    """The executor that a suite names, for runs of so many CPU threads."""
    setting = Setting(block.device, threads, block.retries, block.hang_seconds, block.processes)
    executor: Executor = EXECUTORS.get(block.name).function(setting, **block.options)
    return executor


def make_jobs(
    runs: Iterable[PlannedRun], store: Store, *, ask: bool = False, stale: Mapping[str, Mark] | None = None,
    measured: Measured | None = None, same_class: bool = False,
) -> Iterator[Job]:  # fmt: skip
    """A job for each training; cells that differ only in their tests share one, which does the tests of all."""
    cache, root = str(cache_root()), str(store.root.resolve())
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault(run.run, []).append(run)
    alike: dict[str, dict[str, Any]] = {}  # what the seeds of a cell have in common
    for group in groups.values():
        first = group[0]
        if first.cell not in alike:
            alike[first.cell] = _demands(first, measured or Measured())
        yield Job(tuple(map(_handed, group)), root, cache, ask, stale or {}, same_class, **alike[first.cell])


def _handed(run: PlannedRun) -> dict[str, Any]:
    """What a worker gets of a run."""
    return {key: getattr(run, key) for key in ("run", "config", "evaluations", "protocols", "options")}


def _demands(run: PlannedRun, measured: Measured) -> dict[str, Any]:
    """What a run will need, as far as it is known beforehand: fields of its job."""
    config = run.config
    shape = shape_of(config)
    return {
        "expected": expected_seconds(config, measured),
        "processes": run.processes,
        "threads": int(config["recipe"]["threads"]) * run.processes,
        "shape": shape,
        "peak": measured.peaks.get(shape),
    }

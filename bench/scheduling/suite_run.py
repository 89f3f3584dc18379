"""Doing what a plan still lacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from bench.catalog import EXECUTORS
from bench.data.cache import cache_root
from bench.scheduling.execute import Executor
from bench.scheduling.jobs import Event, Job, Setting
from bench.scheduling.leases import Mark, Watch
from bench.scheduling.plan import Plan, PlannedRun
from bench.store import Store
from bench.suite.schema import ExecutorBlock

LOOK_SECONDS = 1.0

Begin = Callable[[dict[str, str], int, int], None]
"""Told which runs are to be done (id → name), how many are done already, and how many are cancelled and left out."""


def run_plan(
    plan: Plan, store: Store, *, command: str, executor: Executor | None = None, same_class: bool = False,
    on_event: Callable[[Event], None] = lambda event: None, begin: Begin = lambda names, done, cancelled: None,
) -> dict[str, str]:  # fmt: skip
    """Writes the plan, does its missing runs (failed ones again), and returns run id → reason of those that failed.

    Runs that another process works at are waited for, and taken over if that process is gone. ``same_class``: those
    that were trained in another execution class than the worker that gets them are trained again.
    """
    store.write_plan(plan.suite.name, plan.record(command))
    states = [run.state(store) for run in plan.runs]
    left = ("cancelled",) if same_class else ("done", "cancelled")
    todo = [run for run, state in zip(plan.runs, states, strict=True) if state not in left]
    cancelled = {run.run for run, state in zip(plan.runs, states, strict=True) if state == "cancelled"}
    begin(names_of(todo), len({run.run for run in plan.runs} - cancelled - {run.run for run in todo}), len(cancelled))
    return do_runs(todo, store, plan.suite.executor, executor=executor, same_class=same_class, on_event=on_event)


def names_of(runs: Iterable[PlannedRun]) -> dict[str, str]:
    """Run id → its values on the axes and its seed, as the live view shows them."""
    return {run.run: ", ".join([*run.axes.values(), f"seed {run.seed}"]) for run in runs}


def do_runs(
    todo: Sequence[PlannedRun], store: Store, block: ExecutorBlock, *, executor: Executor | None = None,
    same_class: bool = False, on_event: Callable[[Event], None] = lambda event: None,
) -> dict[str, str]:  # fmt: skip
    """Does runs and returns run id → reason of those that failed; see ``run_plan``."""
    if not todo:
        return {}
    failed: dict[str, str] = {}
    elsewhere: set[str] = set()

    def hear(event: Event) -> None:
        if event["kind"] == "retry":
            store.append_event(event["run"], {"kind": "retry", "error": event["error"]})
        if event["kind"] == "failed":
            failed[event["run"]] = event["error"]
        if event["kind"] == "elsewhere":
            elsewhere.add(event["run"])
        on_event(event)

    threads = max(int(run.config["recipe"]["threads"]) for run in todo)
    executor = executor or make_executor(block, threads)
    executor.run(make_jobs(todo, store, same_class=same_class), hear)
    watch = Watch()
    while waiting := [run for run in todo if run.run in elsewhere]:
        free = _freed(waiting, store, watch)
        # of the same class? only a worker knows
        for run in {run.run for run in waiting if run.state(store) == "done" and not same_class}:
            elsewhere.discard(run)
            on_event({"run": run, "kind": "done"})
        again = [run for run in waiting if run.run in free and run.run in elsewhere]
        elsewhere -= {run.run for run in again}
        stale = {run: mark for run, mark in free.items() if mark}
        executor.run(make_jobs(again, store, stale=stale, same_class=same_class), hear)
    return failed


def _freed(waiting: Iterable[PlannedRun], store: Store, watch: Watch) -> dict[str, Mark | None]:
    """After a moment: the runs among those held elsewhere whose lease can be had, with the mark to take it by."""
    time.sleep(LOOK_SECONDS)
    looked = {run: watch.free(store.run_folder(run)) for run in {run.run for run in waiting}}
    return {run: mark for run, (free, mark) in looked.items() if free}


def make_executor(block: ExecutorBlock, threads: int) -> Executor:
    """The executor that a suite names, for runs of so many CPU threads."""
    setting = Setting(block.device, threads, block.retries, block.hang_seconds)
    executor: Executor = EXECUTORS.get(block.name).function(setting, **block.options)
    return executor


def make_jobs(
    runs: Iterable[PlannedRun], store: Store, *, ask: bool = False, stale: Mapping[str, Mark] | None = None,
    same_class: bool = False,
) -> Iterator[Job]:  # fmt: skip
    """A job for each training; cells that differ only in their tests share one, which does the tests of all."""
    cache = str(cache_root())
    groups: dict[str, list[dict[str, object]]] = {}
    for run in runs:
        value: dict[str, object] = {
            "run": run.run,
            "config": run.config,
            "evaluations": run.evaluations,
            "protocols": run.protocols,
            "options": run.options,
        }
        groups.setdefault(run.run, []).append(value)
    for values in groups.values():
        yield Job(tuple(values), str(store.root.resolve()), cache, ask, stale or {}, same_class)

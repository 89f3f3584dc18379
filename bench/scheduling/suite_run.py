"""Doing what a plan still lacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from bench.catalog import EXECUTORS
from bench.data.cache import cache_root
from bench.scheduling.execute import Executor
from bench.scheduling.jobs import Event, Job, Setting
from bench.scheduling.leases import Mark, Watch
from bench.scheduling.plan import Plan, PlannedRun
from bench.store import Store, remove_leftovers
from bench.suite.schema import ExecutorBlock

LOOK_SECONDS = 1.0

Begin = Callable[[dict[str, str], int], None]


def run_plan(
    plan: Plan, store: Store, *, command: str, executor: Executor | None = None,
    on_event: Callable[[Event], None] = lambda event: None, begin: Begin = lambda names, done: None,
) -> dict[str, str]:  # fmt: skip
    """Writes the plan, does its missing runs (failed ones again), and returns run id → reason of those that failed.

    Runs that another process works at are waited for, and taken over if that process is gone.
    """
    remove_leftovers(store.suite_folder(plan.suite.name))
    store.write_plan(plan.suite.name, plan.record(command))
    todo = [run for run in plan.runs if run.state(store) != "done"]
    names = {run.run: ", ".join([*run.axes.values(), f"seed {run.seed}"]) for run in todo}
    begin(names, len({run.run for run in plan.runs}) - len(names))
    if not todo:
        return {}
    failed: dict[str, str] = {}
    elsewhere: set[str] = set()

    def hear(event: Event) -> None:
        if event["kind"] == "failed":
            failed[event["run"]] = event["error"]
        if event["kind"] == "elsewhere":
            elsewhere.add(event["run"])
        on_event(event)

    threads = max(int(run.config["recipe"]["threads"]) for run in todo)
    executor = executor or make_executor(plan.suite.executor, threads)
    executor.run(make_jobs(todo, store), hear)
    watch = Watch()
    while waiting := [run for run in todo if run.run in elsewhere]:
        free = _freed(waiting, store, watch)
        for run in {run.run for run in waiting if run.state(store) == "done"}:
            elsewhere.discard(run)
            on_event({"run": run, "kind": "done"})
        again = [run for run in waiting if run.run in free and run.run in elsewhere]
        elsewhere -= {run.run for run in again}
        executor.run(make_jobs(again, store, stale={run: mark for run, mark in free.items() if mark}), hear)
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
    runs: Iterable[PlannedRun], store: Store, *, ask: bool = False, stale: Mapping[str, Mark] | None = None
) -> Iterator[Job]:
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
        yield Job(tuple(values), str(store.root.resolve()), cache, ask, stale or {})

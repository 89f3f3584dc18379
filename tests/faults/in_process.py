"""`bench run` within this process, on one run of a second, and what it looks like at three moments."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.report.results import report_data
from bench.report.table import build_table
from bench.report.write import write_report
from bench.report.writers import to_csv
from bench.scheduling.execute import InProcess
from bench.scheduling.plan import Plan, make_plan
from bench.scheduling.suite_run import make_jobs, run_plan
from bench.scheduling.worker import run_job
from bench.store import Store
from bench.suite.suite import load_suite
from tests.faults.commands import SUITE, Place, weights

ONE = SUITE.replace("grid: {enhancement.strength: [0, 0.1]}\n", "")


def plan_of(place: Place, text: str = ONE) -> Plan:
    return make_plan(load_suite(place.suite(text), []), cache=place.cache)


def attempt(plan: Plan, store: Store, hear: Callable[[dict[str, Any]], object] = lambda event: None) -> dict[str, str]:
    """Run id → reason of the runs that failed."""
    return run_plan(plan, store, command="", executor=InProcess(), on_event=lambda event: hear(event) and None)


def table_of(store: Store) -> str:
    """table.csv without the time that figures take."""
    return to_csv(build_table(report_data(store, "tiny")))


def bench_run(
    place: Place, store: Store, hear: Callable[[dict[str, Any]], object] = lambda event: None, text: str = ONE
) -> str:
    """The table, after nothing failed."""
    plan = plan_of(place, text)
    assert attempt(plan, store, hear) == {}
    assert {run.state(store) for run in plan.runs} == {"done"}
    return table_of(store)


def the_run(store: Store) -> Path:
    (run,) = store.run_ids()
    return store.run_folder(run)


class Stages:
    """Results that are ``done``; ``trained``, but not evaluated; and ``begun``, with two checkpoints. Copy them.

    ``table`` and ``weights``: of the undisturbed suite.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        done = Store(place.folder / "done")
        self.table = bench_run(place, done)
        self.weights = weights(done.root)
        write_report(done, "tiny")
        trained = Store(shutil.copytree(done.root, place.folder / "trained"))
        shutil.rmtree(the_run(trained) / "evaluations")
        begun = Store(place.folder / "begun")
        plan = plan_of(place)
        begun.write_plan("tiny", plan.record(""))
        (job,) = make_jobs(plan.runs, begun)
        steps = iter(range(100))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bench.training.loop.CHECKPOINT_SECONDS", 0.0)
            patch.setattr("bench.training.loop.CHECKPOINT_SHARE", 1e9)
            run_job(job, "cpu", lambda event: None, lambda: next(steps) >= 8)
        for store in (begun, trained):
            store.write_failure(plan.runs[0].run, {"error": "no power", "reason": "mistake", "traceback": ""})
            store.log_path(plan.runs[0].run).write_text("Traceback\n" * 9)

    def copy(self, stage: str, to: Path) -> Store:
        return Store(shutil.copytree(self.place.folder / stage, to))

"""What a search wastes of its slots: the time in which a slot neither trains nor evaluates.

    python benchmarks/search.py                # 40 trials of about 5 s on two slots
    python benchmarks/search.py --trials 8 --seconds 2

The workers and the data are warm before the clock starts: it runs from the first step of the first trial to the end of
the last. A worker counts as working from the first step of a run to the end of its last epoch, validation included;
what lies between two runs (telling Optuna, its next proposal, lease, building the network, weights and result written)
and the wait for a verdict after an epoch are waste, and so is a slot that stands still while the other ends the search.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from bench.data.synthetic.layouts import write_synthetic  # noqa: E402
from bench.records import append_json  # noqa: E402
from bench.scheduling import worker  # noqa: E402
from bench.scheduling.execute import Executor, LocalProcesses  # noqa: E402
from bench.scheduling.jobs import Job, OnEvent  # noqa: E402
from bench.scheduling.slots import make_slots  # noqa: E402
from bench.store import Store  # noqa: E402
from bench.suite.suite import Suite, load_suite  # noqa: E402
from bench.training import loop  # noqa: E402
from tests.tiny import SPEC  # noqa: E402

SUITE = """\
name: waste
data: {root: "ROOT", pixels: 24, protocols: [], validation: {identities: 0.25, pairs: 500}}
backbone: {name: small_cnn, embedding: 64}
margin: {name: arcface}
enhancement: {gate: posterior}
recipe: {epochs: EPOCHS, batch: 64, threads: 1}
evaluation: {train_geometry: false}
executor: {device: cpu, slots: 2}
search: {trials: TRIALS, pruner_warmup_epochs: 1000}
"""
SLOTS = 2
CLOCK = "BENCH_SEARCH_CLOCK"


def search(suite: Suite, store: Store, executor: Executor) -> None:
    """The search that is measured."""
    from bench.search.driver import search as searched

    searched(suite, store, executor=executor)


def serve_timed(connection: Connection, device: str, mask: str | None) -> None:
    """A worker that notes when it works: from the first step to the last epoch's end, less the wait for verdicts."""
    file = Path(os.environ[CLOCK]) / f"{os.getpid()}.jsonl"

    def timed(training: loop.Training, *, run: Callable[..., Any] = loop.Training.run) -> Any:
        begun, waited, cpu = time.monotonic(), 0.0, time.process_time()
        tell = training.tell

        def told(event: dict[str, Any]) -> None:
            nonlocal waited
            before = time.monotonic()
            tell(event)
            waited += time.monotonic() - before

        training.tell = told
        found = run(training)
        append_json(file, {
            "begun": begun, "ended": time.monotonic(), "waited": waited, "cpu": cpu, "cpu_ended": time.process_time(),
        })  # fmt: skip
        return found

    loop.Training.run = timed  # type: ignore[method-assign]
    worker.serve(connection, device, mask)


class Warm:
    """The executor that is measured, given a job for each slot before the search's own."""

    def __init__(self, warm_up: list[Job]) -> None:
        self.warm_up = warm_up

    def run(self, jobs: Iterator[Job], on_event: OnEvent) -> None:
        mine = {job.runs[0]["run"] for job in self.warm_up}

        def every() -> Iterator[Job]:
            yield from self.warm_up
            yield from jobs

        executor = LocalProcesses(make_slots("cpu", most=SLOTS, gpus=[]), main=serve_timed)
        executor.run(every(), lambda event: on_event(event) if event.get("run") not in mine else None)


class Collects:
    """Keeps the jobs of a search without doing any but the first, its baseline."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, jobs: Iterator[Job], on_event: OnEvent) -> None:
        from bench.scheduling.execute import InProcess

        baseline = next(jobs)
        self.jobs.append(baseline)
        InProcess().run(iter([baseline]), on_event)
        first = next(jobs)
        self.jobs.append(first)
        InProcess().run(iter([first]), on_event)


def suite_of(folder: Path, *, epochs: int, trials: int) -> Suite:
    path = folder / "waste.yaml"
    text = SUITE.replace("ROOT", str(folder / "root")).replace("EPOCHS", str(epochs))
    path.write_text(text.replace("TRIALS", str(trials)))
    return load_suite(path)


def work(clock: Path, after: float) -> list[list[dict[str, float]]]:
    """What each worker noted, without the runs that began before the clock did."""
    import json

    lines = [[json.loads(line) for line in file.read_text().splitlines()] for file in sorted(clock.glob("*.jsonl"))]
    return [[span for span in spans if span["begun"] >= after] for spans in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a trial, about")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BENCH_CACHE"] = str(folder / "cache")
        clock = folder / "clock"
        clock.mkdir()
        os.environ[CLOCK] = str(clock)
        write_synthetic(folder / "root", replace(SPEC, train_identities=24, train_images=20))
        # How long is an epoch where both slots work? The second job is told by the same search.
        short = suite_of(folder, epochs=2, trials=1)
        found = Collects()
        search(short, Store(folder / "short"), found)
        jobs = [replace(job, results=str(folder / f"tune{i}")) for i, job in enumerate(found.jobs)]
        again = [replace(job, results=str(folder / f"tune{i + SLOTS}")) for i, job in enumerate(found.jobs)]
        Warm(jobs).run(iter(again), lambda event: None)
        spans = [spans[-1] for spans in work(clock, 0.0)]
        epoch = statistics.mean(span["ended"] - span["begun"] for span in spans) / 2
        epochs = max(2, round(given.seconds / epoch))

        suite = suite_of(folder, epochs=epochs, trials=given.trials)
        for file in clock.iterdir():
            file.unlink()
        warm_up = [replace(job, results=str(folder / f"warm{i}"), ask=False) for i, job in enumerate(found.jobs)]
        load = os.getloadavg()[0]
        search(suite, Store(folder / "results"), Warm(warm_up))
        noted = work(clock, 0.0)
    warm, each = [spans[0]["ended"] for spans in noted], [spans[1:] for spans in noted]
    every = [span for spans in each for span in spans]
    first, last = min(s["begun"] for s in every), max(s["ended"] for s in every)
    worked = sum(s["ended"] - s["begun"] - s["waited"] for s in every)
    gaps = [later["begun"] - earlier["ended"] for spans in each for earlier, later in pairwise(spans)]
    beside = sum(later["cpu"] - earlier["cpu_ended"] for spans in each for earlier, later in pairwise(spans))
    busy = sum(spans[-1]["cpu_ended"] - spans[0]["cpu"] for spans in each)
    tail = sum(last - max(s["ended"] for s in spans) for spans in each)
    head = sum(spans[0]["begun"] - max(first, began) for spans, began in zip(each, warm, strict=True))
    there = sum(last - max(first, began) for began in warm)  # seconds of slots from when each is warm
    waited = sum(s["waited"] for s in every)
    trial = statistics.mean(s["ended"] - s["begun"] for s in every)
    loads = f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after"
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores, {loads}\n")
    print("| what | measured | target |\n|---|---|---|")
    between = f"{1e3 * statistics.median(gaps):.0f} ms (median), {sum(gaps) / there:.1%}"
    rows = [
        (
            f"slot time wasted by a search of {len(every)} runs of {trial:.1f} s on {SLOTS} slots",
            f"{1 - worked / there:.1%} of {there:.0f} s",
            "≤ 5 %",
        ),
        ("… between two runs", between, ""),
        ("… the workers' processor time between runs, which other programs do not stretch", f"{beside / busy:.1%}", ""),
        ("… events and verdicts within runs", f"{waited / there:.1%}", ""),
        ("… before a slot's first step", f"{head / there:.1%}", ""),
        ("… one slot idle while the other ends the last run", f"{tail / there:.1%}", ""),
    ]
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()

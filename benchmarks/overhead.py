"""What running under the scheduler costs, and what it gains on several cores.

    python benchmarks/overhead.py            # all three parts
    python benchmarks/overhead.py runs       # the time of a run beside its work
    python benchmarks/overhead.py training   # the same training bare and under the scheduler
    python benchmarks/overhead.py cores      # 24 runs in one worker after another, and in one worker a core

Workers are warm before a clock starts. What is compared is measured in turn, round by round, so that a busy machine
slows it alike; a ratio is the median over rounds. ``bare`` is the loop alone: no checkpoint, no events, no lease.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from bench.data.cache import cache_root  # noqa: E402
from bench.data.packed import open_packed  # noqa: E402
from bench.data.synthetic.layouts import write_synthetic  # noqa: E402
from bench.records import write_bytes  # noqa: E402
from bench.scheduling import worker  # noqa: E402
from bench.scheduling.execute import LocalProcesses, Serve  # noqa: E402
from bench.scheduling.jobs import Job  # noqa: E402
from bench.scheduling.plan import PlannedRun, make_plan  # noqa: E402
from bench.scheduling.slots import make_slots  # noqa: E402
from bench.store import Store  # noqa: E402
from bench.suite.suite import load_suite  # noqa: E402
from bench.tracking import track_suite  # noqa: E402
from bench.training import loop  # noqa: E402
from bench.training.environment import make_deterministic  # noqa: E402
from bench.training.split import relabel, split_identities  # noqa: E402
from tests.made_up_store import finish_runs  # noqa: E402
from tests.tiny import SPEC  # noqa: E402

SUITE = """\
name: overhead
data: {root: "ROOT", pixels: 40, protocols: []}
backbone: {name: small_cnn, embedding: 64}
margin: {name: arcface}
recipe: {epochs: EPOCHS, batch: 64, threads: THREADS}
evaluation: {train_geometry: false}
seeds: SEEDS
executor: {device: cpu}
report: {metrics: [accuracy]}
"""
Row = tuple[str, str, str]


def plan(folder: Path, *, epochs: int, seeds: int = 1, threads: int = 1) -> Any:
    path = folder / "overhead.yaml"
    text = SUITE.replace("ROOT", str(folder / "root")).replace("EPOCHS", str(epochs))
    path.write_text(text.replace("SEEDS", str(seeds)).replace("THREADS", str(threads)))
    return make_plan(load_suite(path))


def jobs_of(runs: Sequence[PlannedRun], results: Path) -> list[Job]:
    return [
        Job(
            ({"run": r.run, "config": r.config, "evaluations": {}, "protocols": {}, "options": r.options},),
            str(results), str(cache_root()),
        )
        for r in runs
    ]  # fmt: skip


def do(jobs: Sequence[Job], warm_up: Sequence[Job], main: Serve = worker.serve) -> list[float]:
    """Does the jobs in a worker for each job to warm up with. Returns when each was asked for, and the end."""
    asked: list[float] = []
    ended = [0.0]

    def all_jobs() -> Iterator[Job]:
        yield from warm_up
        for job in jobs:
            asked.append(time.perf_counter())
            yield job
        ended[0] = time.perf_counter()

    def hear(event: dict[str, Any]) -> None:
        if event["kind"] == "failed":
            raise SystemExit(event["error"])
        if event["kind"] == "done":
            ended[0] = time.perf_counter()

    slots = make_slots("cpu", most=len(warm_up), gpus=[])
    LocalProcesses(slots, main=main).run(all_jobs(), hear)
    return [*asked, ended[0]]


def _serve_with(connection: Connection, device: str, mask: str | None, work: Callable[..., None]) -> None:
    worker._run = work
    worker.serve(connection, device, mask)


def serve_nothing(connection: Connection, device: str, mask: str | None) -> None:
    """Every job is done at once, lease and all."""
    _serve_with(connection, device, mask, lambda *_: None)


def serve_records(connection: Connection, device: str, mask: str | None) -> None:
    """Every job leaves what a run of three epochs and one evaluation leaves, of made-up content."""
    _serve_with(connection, device, mask, _records)


def _records(run: dict[str, Any], job: Job, store: Store, device: str, send: Callable[..., None], *_: Any) -> None:
    key = run["run"]
    store.clear_failure(key)
    send({"kind": "started"})
    store.write_config(key, run["config"])
    for epoch in range(3):
        event = {"kind": "epoch", "epoch": epoch + 1, "epochs": 3, "loss": 1.0, "images_per_second": 1.0}
        store.append_event(key, event)
        send(event)
    for name in ("backbone", "head"):
        write_bytes(store.checkpoint_folder(key) / f"{name}.safetensors", bytes(10_000))
    store.write_result(key, {"run": key, "config": run["config"], "metrics": {"loss": 1.0}})
    store.write_evaluation(key, "0" * 16, {"run": key, "metrics": {"accuracy": 0.5}}, {})
    send({"kind": "done"})


def serve_measured(connection: Connection, device: str, mask: str | None) -> None:
    """As the harness does it, and notes the processor time of each job."""
    run_job = worker.run_job

    def measured(job: Job, *rest: Any) -> None:
        begun = time.process_time()
        run_job(job, *rest)
        note(job, time.process_time() - begun)

    worker.run_job = measured
    worker.serve(connection, device, mask)


def note(job: Job, seconds: float) -> None:
    write_bytes(Path(job.results) / "processor_seconds", str(seconds).encode())


def noted(results: Path) -> float:
    return float((results / "processor_seconds").read_text())


def serve_bare(connection: Connection, device: str, mask: str | None) -> None:
    """Trains and keeps nothing."""
    loop.CHECKPOINT_SECONDS = float("inf")
    while (job := connection.recv()) is not None:
        begun = time.process_time()
        for run in job.runs:
            config = run["config"]
            make_deterministic(threads=config["recipe"]["threads"], deterministic=config["recipe"]["deterministic"])
            images = open_packed(Path(job.cache), config["train"]["digest"])
            rows, _ = split_identities(images.labels, None)
            loop.Training(
                config, images, rows, relabel(images.labels[rows]),
                device=torch.device("cpu"), checkpoint=Path(job.results) / "none", tell=lambda event: None,
            ).run()  # fmt: skip
        note(job, time.process_time() - begun)
        connection.send({"kind": "idle"})


def gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def part_runs(folder: Path, rounds: int) -> list[Row]:
    planned = plan(folder, epochs=3, seeds=100)
    found: dict[str, list[float]] = {"nothing": [], "records": []}
    for number in range(rounds):
        for name, main in (("nothing", serve_nothing), ("records", serve_records)):
            jobs = jobs_of(planned.runs, folder / f"{name}{number}")
            found[name] += gaps(do(jobs[5:], jobs[:1], main))
    disk = median_of(100, lambda: write_bytes(folder / "disk", bytes(1000)))
    nothing, records = (1e3 * statistics.median(found[name]) for name in ("nothing", "records"))
    return [
        ("a run beside its work: dispatch, lease, events, records", f"{records:.1f} ms", "≤ 20 ms"),
        ("… dispatch and lease alone", f"{nothing:.1f} ms", ""),
        ("… a small file on the disk (a run of one test writes 6)", f"{1e3 * disk:.2f} ms", ""),
    ]


def part_training(folder: Path, rounds: int, seconds: float) -> list[Row]:
    warm = plan(folder, epochs=2).runs
    begun = do(jobs_of(warm, folder / "warm"), jobs_of(warm, folder / "warmer"), serve_bare)
    epochs = max(2, round(seconds / gaps(begun)[0] * 2))
    planned = plan(folder, epochs=epochs)
    jobs: dict[str, list[float]] = {"bare": [], "scheduled": []}
    processor: dict[str, list[float]] = {"bare": [], "scheduled": []}
    for number in range(rounds):
        order = [("bare", serve_bare), ("scheduled", serve_measured)]
        for name, main in order if number % 2 == 0 else order[::-1]:
            results = folder / f"{name}{number}"
            jobs[name] += gaps(do(jobs_of(planned.runs, results), jobs_of(warm, folder / f"w{name}{number}"), main))
            processor[name].append(noted(results))
    wall, cpu = (
        statistics.median(s / b for s, b in zip(times["scheduled"], times["bare"], strict=True)) - 1
        for times in (jobs, processor)
    )
    bare = statistics.median(jobs["bare"])
    config = planned.runs[0].config
    images = open_packed(cache_root(), config["train"]["digest"])
    training = loop.Training(
        config, images, np.arange(len(images.labels)), images.labels,
        device=torch.device("cpu"), checkpoint=folder / "one" / "training.safetensors", tell=lambda event: None,
    )  # fmt: skip
    checkpoint = median_of(10, lambda: training._save(0.0))
    store = Store(folder / "one")
    event = median_of(50, lambda: store.append_event("run", {"kind": "epoch", "loss": 1.0}))
    mirror, alone = mirrored(folder)
    return [
        (
            f"a training of {bare:.0f} s under the scheduler against the loop alone",
            f"{100 * wall:+.1f} % wall time, {100 * cpu:+.1f} % processor time (medians of {rounds} pairs)",
            "≤ 3 %",
        ),
        ("… a checkpoint (one in 20 s at most)", f"{1e3 * checkpoint:.0f} ms: {checkpoint / 20:.2%}", ""),
        ("… an event (one an epoch)", f"{1e3 * event:.2f} ms", ""),
        (
            "… mirroring a run to MLflow afterwards",
            f"{1e3 * mirror:.0f} ms: {mirror / bare:.2%} of this training; once a command {alone:.1f} s",
            "",
        ),
    ]


def mirrored(folder: Path) -> tuple[float, float]:
    """Seconds for each of 24 runs, and once for all: MLflow's import and the making of its database."""
    store, planned = Store(folder / "mirror"), plan(folder, epochs=20, seeds=25)
    record = planned.record("benchmark")
    finish_runs(store, record["runs"], epochs=20)
    store.write_plan("first", {**record, "suite": "first", "runs": record["runs"][:1]})
    alone = timed(lambda: track_suite(store, "first"))
    store.write_plan("overhead", {**record, "runs": record["runs"][1:]})
    return timed(lambda: track_suite(store, "overhead")) / 24, alone


def median_of(times: int, work: Callable[[], Any]) -> float:
    return statistics.median(timed(work) for _ in range(times))


def timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def part_cores(folder: Path, rounds: int, seconds: float) -> list[Row]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    warm = plan(folder, epochs=2).runs
    once = gaps(do(jobs_of(warm, folder / "warm"), jobs_of(warm, folder / "warmer")))[0]
    epochs = max(1, round(seconds / once * 2))
    single, double = plan(folder, epochs=epochs, seeds=24).runs, plan(folder, epochs=epochs, seeds=24, threads=2).runs
    warm_two = plan(folder, epochs=2, threads=2).runs
    took: dict[str, list[float]] = {"one": [], "cores": [], "threads": []}
    same = 0
    for number in range(rounds):
        places = {name: folder / f"{name}{number}" for name in took}
        for name, runs, slots, threads in (
            ("one", single, 1, 1), ("cores", single, cores, 1), ("threads", double, 1, 2),
        ):  # fmt: skip
            first = [
                job
                for i in range(slots)
                for job in jobs_of(warm if threads == 1 else warm_two, folder / f"w{name}{number}{i}")
            ]
            times = do(jobs_of(runs, places[name]), first)
            took[name].append(times[-1] - times[0])
        weights = [
            {run.run: (Store(places[name]).result(run.run) or {})["weights_sha256"] for run in single}
            for name in ("one", "cores")
        ]
        same += sum(weights[0][run] == weights[1][run] for run in weights[0])
    gain = {name: statistics.median(a / b for a, b in zip(took["one"], took[name], strict=True)) for name in took}
    each = statistics.median(took["one"]) / 24
    return [
        (
            f"24 runs of {each:.1f} s on {cores} cores, one thread each, against one after another in one warm worker",
            f"{gain['cores']:.2f} × as fast (median of {rounds}); {same} of {24 * rounds} weights the same bits",
            "≥ 1.7 ×",
        ),
        ("… one after another with two threads each", f"{gain['threads']:.2f} ×", ""),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="runs, training, cores; none: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30, help="of the training that is done bare and scheduled")
    parser.add_argument("--run-seconds", type=float, default=1.2, help="of each of the 24 runs")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BENCH_CACHE"] = str(folder / "cache")
        write_synthetic(folder / "root", replace(SPEC, pixels=40, train_identities=64, train_images=20))
        if not given.parts or "runs" in given.parts:
            rows += part_runs(folder, given.rounds)
        if not given.parts or "training" in given.parts:
            rows += part_training(folder, given.rounds, given.seconds)
        if not given.parts or "cores" in given.parts:
            rows += part_cores(folder, given.rounds, given.run_seconds)
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores, load average {load}\n"
    )
    print("| what | measured | target |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()

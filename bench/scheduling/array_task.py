"""One task of a Slurm array: what runs on the node. It needs nobody who started it.

It does the jobs of a JSON description, one after another in one warm process, and tells what happens in a file of
JSON lines beside it, which stands for the pipe between a worker and its parent. Slurm may start a task several times:
it then goes on from the checkpoints, and does not try again what failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.processes import this_machine
from bench.records import append_json, write_json
from bench.scheduling.failures import record_failure
from bench.scheduling.jobs import Event, Job
from bench.scheduling.leases import Mark, holder
from bench.store import Store

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

STEP_SECONDS = 10.0  # between two told positions within an epoch: the file is read over a network
WATCH_SECONDS = 1.0

_GOING_ON = {
    "started",
    "step",
    "epoch",
    "evaluating",
    "evaluated",
    "resumed",
    "warning",
    "stopped",
    "embedding",
    "superseded",
}


@dataclass(frozen=True)
class ArrayTask:
    """What submitit pickles and calls: the path of a description, nothing else."""

    description: str

    def __call__(self) -> None:
        do_task(Path(self.description))

    def checkpoint(self) -> DelayedSubmission:
        """Asked for by submitit when it requeues the task: the runs' checkpoints are all there is to keep."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def describe(path: Path, jobs: Iterable[Job], *, device: str, requeues: int, hang_seconds: float | None) -> None:
    """Writes the description that a task reads."""
    rest = {"device": device, "requeues": requeues, "hang_seconds": hang_seconds}
    write_json(path, {"jobs": [asdict(job) for job in jobs], **rest})


def described_jobs(description: Mapping[str, Any]) -> list[Job]:
    """The jobs as they were before they were written as JSON."""
    return [
        Job(**{**job, "runs": tuple(job["runs"]), "stale": {run: (a, b) for run, (a, b) in job["stale"].items()}})
        for job in description["jobs"]
    ]


def told_path(description: Path) -> Path:
    """Where the task with this description tells what happens."""
    return description.with_suffix(".jsonl")


def pruned_path(told: Path) -> Path:
    """Where the driver writes which runs of a search are to be given up."""
    return told.with_suffix(".pruned")


@dataclass
class Tail:
    """Reads what was added to a file of JSON lines; a line that is still being written is left for the next time."""

    path: Path
    at: int = 0

    def read(self) -> list[Event]:
        try:
            with self.path.open("rb") as file:
                file.seek(self.at)
                lines, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self.at += len(lines) + len(newline)
        events = []
        for line in lines.splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                events += [event] if isinstance(event, dict) and "kind" in event else []
        return events


@dataclass
class Story:
    """What a task has told: the processes it ran in (machine, pid), runs ``begun`` without an end, runs it claims
    ``done``, runs that ``ended`` otherwise, the ``signal`` it left for, and whether it ``left`` with all done."""

    starts: list[tuple[str, int]] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    signal: str | None = None
    left: bool = False
    hung: bool = False

    def hear(self, event: Event) -> None:
        kind = event["kind"]
        if kind == "begins":
            self.starts.append((event["machine"], event["pid"]))
            self.signal, self.hung = None, False
        elif kind == "leaves":
            self.signal, self.left = event["signal"], event["signal"] is None
        elif kind == "hangs":
            self.hung = True
        elif kind == "started":
            self.begun.add(event["run"])
        elif kind not in _GOING_ON:
            self.begun.discard(event["run"])
            (self.done if kind == "done" else self.ended).add(event["run"])


def marks_of_the_dead(store: Store, runs: Iterable[str], starts: Iterable[tuple[str, int]]) -> dict[str, Mark]:
    """The leases that processes which are known to have ended still hold, on whatever machine they were."""
    dead = set(starts)
    held = {run: holder(store.run_folder(run)) for run in runs}
    return {run: lease.mark for run, lease in held.items() if lease and (lease.machine, lease.pid) in dead}


def do_task(path: Path) -> None:
    """Does what a description asks for. SIGTERM, or submitit's signal before the time is up: checkpoint at the next
    step, then leave; for the latter, submitit has the task requeued, at most ``requeues`` times."""
    from submitit import JobEnvironment

    description = json.loads(path.read_bytes())
    jobs, requeues = described_jobs(description), int(description["requeues"])
    store, told = Store(Path(jobs[0].results)), told_path(path)
    before = Story()
    for event in Tail(told).read():
        before.hear(event)
    start = len(before.starts) + 1
    for run in before.begun:
        store.append_event(run, {"kind": "requeued", "task": JobEnvironment().job_id, "start": start})
    jobs = [job for job in jobs if not all(run["run"] in before.ended or is_done(store, run) for run in job.runs)]
    stale = marks_of_the_dead(store, (run["run"] for job in jobs for run in job.runs), before.starts)
    jobs = [
        # a node may have a copy of the packed images of its own
        replace(job, cache=os.environ.get("BENCH_CACHE", job.cache), stale={**job.stale, **stale})
        for job in jobs
    ]

    time_is_up = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")
    requeue: Any = signal.getsignal(time_is_up)  # submitit's: keeps this callable, asks Slurm, exits
    asked: list[int] = []
    for number in (time_is_up, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked.append(number))
    append_json(told, {"kind": "begins", "machine": this_machine(), "pid": os.getpid()})
    if start > requeues + 1:  # by Slurm itself, which asks nobody
        _give_up(jobs, store, told, start - 1, requeues)
    elif _do(jobs, description["device"], description["hang_seconds"], told, asked):
        append_json(told, {"kind": "leaves", "signal": None})
    elif time_is_up in asked and start > requeues:
        _give_up(jobs, store, told, start, requeues)
    else:
        append_json(told, {"kind": "leaves", "signal": signal.Signals(asked[0]).name})
        if time_is_up in asked:
            requeue(time_is_up, None)
        sys.exit(128 + asked[0])


def _do(jobs: Iterable[Job], device: str, hang_seconds: float | None, told: Path, asked: Sequence[int]) -> bool:
    """Does the jobs until a signal asks to stop; whether all were done."""
    from bench.scheduling.worker import run_job

    stopped, current = False, ""
    pruned: set[str] = set()
    tail = Tail(pruned_path(told))
    with _watched(told, hang_seconds) as send:

        def hear(event: Event) -> None:
            nonlocal stopped, current
            stopped, current = stopped or event["kind"] == "stopped", event["run"]
            send(event)

        def verdict() -> str | None:
            pruned.update(asked["run"] for asked in tail.read())
            return "prune" if current in pruned else None

        for job in jobs:
            if stopped or asked:
                return False
            run_job(job, device, hear, lambda: bool(asked), verdict)
    return not stopped


def is_done(store: Store, run: Mapping[str, Any]) -> bool:
    """Whether a run of a job is trained and has all its evaluations; the store alone proves it."""
    return store.state(run["run"], run["evaluations"].values()) == "done"


def _give_up(jobs: Iterable[Job], store: Store, told: Path, starts: int, requeues: int) -> None:
    """Records what is left of a task as failed. The checkpoints stay, so the next ``bench run`` goes on from them."""
    error = f"the task was stopped {starts} times, executor.requeues allows {requeues}; the checkpoint is kept"
    failure = {"reason": "death", "error": error, "traceback": ""}
    for run in {run["run"] for job in jobs for run in job.runs if not is_done(store, run)}:
        append_json(told, {"run": run, "kind": "failed", **record_failure(store, run, failure)})
    append_json(told, {"kind": "leaves", "signal": None})


@contextlib.contextmanager
def _watched(told: Path, hang_seconds: float | None) -> Iterator[Any]:
    """Gives the function that tells events; kills this process when it was not called for ``hang_seconds``."""
    heard, step, ended = time.monotonic(), -STEP_SECONDS, threading.Event()

    def send(event: Event) -> None:
        nonlocal heard, step
        heard = time.monotonic()
        if event["kind"] != "step" or heard - step > STEP_SECONDS:
            step = heard if event["kind"] == "step" else step
            append_json(told, event)

    def watch(most: float) -> None:
        while not ended.wait(WATCH_SECONDS):
            if time.monotonic() - heard > most:
                append_json(told, {"kind": "hangs"})
                os.kill(os.getpid(), signal.SIGKILL)

    if hang_seconds is not None:
        threading.Thread(target=watch, args=(hang_seconds,), daemon=True).start()
    try:
        yield send
    finally:
        ended.set()

"""Running jobs on slots: warm worker processes, one job at a time each; and an in-process twin."""

from __future__ import annotations

import multiprocessing as mp
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from bench.scheduling.failures import manner_of_death, record_failure, record_retry
from bench.scheduling.jobs import Event, Job, OnEvent
from bench.scheduling.signals import held_back
from bench.scheduling.slots import Slot
from bench.scheduling.worker import serve
from bench.store import Store

Serve = Callable[[Connection, str, str | None], None]

GRACE_SECONDS = 20.0


class Executor(Protocol):
    """Does every job that the iterator yields; it is asked for the next one only when a slot is free."""

    def run(self, jobs: Iterator[Job], on_event: OnEvent) -> None: ...


@dataclass(frozen=True)
class InProcess:
    """The twin for tests and the debugger: the same jobs, in this process, one after another."""

    device: str = "cpu"

    def run(self, jobs: Iterator[Job], on_event: OnEvent) -> None:
        from bench.scheduling.worker import run_job

        for job in jobs:
            answers: list[str | None] = [None]

            def hear(event: Event, answers: list[str | None] = answers) -> None:
                answers[0] = on_event(event)

            def verdict(answers: list[str | None] = answers) -> str | None:
                return answers[0]

            with held_back() as asked_to_stop:  # a run checkpoints before the signal acts
                run_job(job, self.device, hear, asked_to_stop, verdict)


@dataclass
class _Worker:
    slot: Slot
    process: Any
    pipe: Connection
    job: Job | None = None
    heard: float = 0.0
    hung: bool = False


@dataclass(frozen=True)
class LocalProcesses:
    """One warm process a slot. A process that dies is replaced; its job is tried again at most ``retries`` times.

    One that has a job and says nothing for ``hang_seconds`` (None: however long) is killed, and so counts as dead.
    On Ctrl-C (or what is taken for it) every worker checkpoints and leaves, then KeyboardInterrupt goes on; those that
    have not left after GRACE_SECONDS, or when a second one comes, are killed.
    """

    slots: Sequence[Slot]
    retries: int = 1
    hang_seconds: float | None = None
    main: Serve = serve

    def run(self, jobs: Iterator[Job], on_event: OnEvent) -> None:
        context = (
            mp.get_context("forkserver") if "forkserver" in mp.get_all_start_methods() else mp.get_context("spawn")
        )
        context.set_forkserver_preload(["bench.scheduling.warm"])
        workers: list[_Worker] = []
        again: list[Job] = []
        deaths: dict[str, int] = {}

        def next_job() -> Job | None:
            return again.pop(0) if again else next(jobs, None)

        def start(slot: Slot) -> _Worker:
            here, there = context.Pipe()
            process = context.Process(target=self.main, args=(there, slot.device, slot.mask), daemon=True)
            process.start()
            there.close()
            return _Worker(slot, process, here)

        def tell(worker: _Worker, message: Job | str) -> None:
            with suppress(OSError):  # the process just died: its pipe will say so
                worker.pipe.send(message)

        def hand_out(worker: _Worker) -> None:
            worker.job, worker.heard = next_job(), time.monotonic()
            if worker.job is not None:
                tell(worker, worker.job)

        def buried(worker: _Worker) -> None:
            """The process died: its job goes back, or is recorded as failed."""
            worker.process.join()
            job, how = worker.job, self._death(worker)
            workers.remove(worker)
            if job is not None:
                deaths[job.name] = deaths.get(job.name, 0) + 1
                if deaths[job.name] <= self.retries:
                    again.append(job)
                    on_event({"run": job.runs[0]["run"], **record_retry(Store(Path(job.results)), job, how)})
                else:
                    for run in job.runs:
                        failure = {
                            "reason": "hang" if worker.hung else "death",
                            "error": f"{how}, {deaths[job.name]} times",
                            "traceback": "",
                        }
                        kept = record_failure(Store(Path(job.results)), run["run"], failure)
                        on_event({"run": run["run"], "kind": "failed", **kept})
            replacement = start(worker.slot)
            workers.append(replacement)
            hand_out(replacement)

        try:
            for slot in self.slots:
                job = next_job()
                if job is None:
                    break
                worker = start(slot)
                worker.job, worker.heard = job, time.monotonic()
                workers.append(worker)
                tell(worker, job)
            while any(worker.job is not None for worker in workers):
                ready = wait([worker.pipe for worker in workers if worker.job is not None], timeout=1.0)
                for worker in [w for w in workers if w.pipe in ready]:
                    try:
                        event = worker.pipe.recv()
                    except (EOFError, OSError):
                        buried(worker)
                        continue
                    worker.heard = time.monotonic()
                    if event["kind"] == "idle":
                        hand_out(worker)
                        continue
                    answer = on_event(event)
                    if event["kind"] == "epoch" and worker.job is not None and worker.job.ask:
                        tell(worker, answer or "go on")
                for worker in [w for w in workers if w.job is not None and self._hangs(w)]:
                    worker.hung = True
                    worker.process.kill()  # its pipe will say so
        finally:
            self._dismiss(workers)

    def _hangs(self, worker: _Worker) -> bool:
        return self.hang_seconds is not None and time.monotonic() - worker.heard > self.hang_seconds

    def _death(self, worker: _Worker) -> str:
        if worker.hung:
            return f"the worker process said nothing for {self.hang_seconds:g} s and was killed"
        return f"the worker process died ({manner_of_death(worker.process.exitcode)})"

    @staticmethod
    def _dismiss(workers: list[_Worker]) -> None:
        """Asks all to leave, and waits for the ends of their pipes: these tell the truth even where the fork server,
        which knows about exits, was killed itself."""
        for worker in workers:
            with suppress(OSError, ValueError):
                if worker.job is None:
                    worker.pipe.send(None)
                else:
                    worker.process.terminate()  # SIGTERM: it checkpoints at the next step
        left = {worker.pipe: worker for worker in workers}
        deadline = time.monotonic() + GRACE_SECONDS
        try:
            while left and (seconds := deadline - time.monotonic()) > 0:
                for pipe in wait(list(left), seconds):
                    assert isinstance(pipe, Connection)
                    try:
                        pipe.recv()  # its last words
                    except (EOFError, OSError):
                        del left[pipe]
        finally:
            for worker in left.values():
                worker.process.kill()
            for worker in workers:
                worker.process.join()
                worker.pipe.close()

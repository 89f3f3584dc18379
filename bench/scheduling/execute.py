"""Running jobs on slots: warm worker processes, one job at a time each; and an in-process twin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from bench.scheduling.context import warm_context
from bench.scheduling.dispatch import Death, Dispatch
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
    process: Any
    pipe: Connection
    busy: bool = False
    killed: bool = False


@dataclass(frozen=True)
class LocalProcesses:
    """Warm processes on slots, started when first needed; ``Dispatch`` decides what runs on which.

    A process that dies is replaced; its job is tried again at most ``retries`` times. One that has a job and says
    nothing for ``hang_seconds`` (None: however long) is killed, and so counts as dead.
    On Ctrl-C (or what is taken for it) every worker checkpoints and leaves, then KeyboardInterrupt goes on; those that
    have not left after GRACE_SECONDS, or when a second one comes, are killed.
    """

    slots: Sequence[Slot]
    retries: int = 1
    hang_seconds: float | None = None
    main: Serve = serve

    def run(self, jobs: Iterator[Job], on_event: OnEvent) -> None:
        context = warm_context()
        dispatch = Dispatch(jobs, retries=self.retries, hang_seconds=self.hang_seconds)
        workers: dict[Slot, _Worker] = {}

        def ready(slot: Slot) -> _Worker:
            """The living worker of a slot."""
            worker = workers.get(slot)
            if worker is not None and worker.process.is_alive() and not worker.killed:
                return worker
            if worker is not None:
                worker.pipe.close()
            here, there = context.Pipe()
            # Not a daemon: those may not have the children that a run of several processes needs.
            process = context.Process(target=self.main, args=(there, slot.device, slot.mask), daemon=False)
            process.start()
            there.close()
            workers[slot] = _Worker(process, here)
            return workers[slot]

        def tell(worker: _Worker, message: Job | str) -> None:
            with suppress(OSError):  # the process just died: its pipe will say so
                worker.pipe.send(message)

        def hear(slot: Slot, worker: _Worker) -> None:
            try:
                event = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                worker.busy = False
                self._buried(dispatch.died(slot), worker.process.exitcode, on_event)
                return
            if event["kind"] == "idle":
                worker.busy = False
                dispatch.finished(slot)
                return
            dispatch.heard(slot, time.monotonic())
            if "peak_gpu_bytes" in event:
                dispatch.measured(slot, event["peak_gpu_bytes"])
            answer = on_event(event)
            if event["kind"] == "epoch" and dispatch.job(slot).ask:
                tell(worker, answer or "go on")

        def hand_out() -> bool:
            """Whether a free slot was given a job. The next one may have room where this one had none."""
            for slot in self.slots:
                if dispatch.free(slot) and (job := dispatch.next(slot, time.monotonic())) is not None:
                    worker = ready(slot)
                    worker.busy = True
                    tell(worker, job)
                    return True
            return False

        try:
            while True:
                while hand_out():
                    pass
                speaking = {worker.pipe: slot for slot, worker in workers.items() if worker.busy}
                if not speaking:
                    return
                for pipe in wait(list(speaking), timeout=1.0):
                    slot = speaking[pipe]  # type: ignore[index]
                    hear(slot, workers[slot])
                for slot in dispatch.silent(time.monotonic()):
                    workers[slot].killed = True
                    workers[slot].process.kill()  # its pipe will say so
        finally:
            self._dismiss(list(workers.values()))

    def _buried(self, death: Death, code: int | None, on_event: OnEvent) -> None:
        """A process died with its job: which goes back, or is recorded as failed."""
        store, how = Store(Path(death.job.results)), f"the worker process died ({manner_of_death(code)})"
        if death.hung:
            how = f"the worker process said nothing for {self.hang_seconds:g} s and was killed"
        if death.again:
            on_event({"run": death.job.runs[0]["run"], **record_retry(store, death.job, how)})
            return
        reason, error = "hang" if death.hung else "death", f"{how}, {death.deaths} times"
        for run in death.job.runs:
            kept = record_failure(store, run["run"], {"reason": reason, "error": error, "traceback": ""})
            on_event({"run": run["run"], "kind": "failed", **kept})

    @staticmethod
    def _dismiss(workers: list[_Worker]) -> None:
        """Asks all to leave, and waits for the ends of their pipes: these tell the truth even where the fork server,
        which knows about exits, was killed itself."""
        for worker in workers:
            with suppress(OSError, ValueError):
                if worker.busy:
                    worker.process.terminate()  # SIGTERM: it checkpoints at the next step
                else:
                    worker.pipe.send(None)
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

"""Running jobs on a Ray cluster: a warm worker for every run that there is room for, wherever Ray places it.

What a worker is and does on its node: ``ray_worker``; the cluster: ``ray_cluster``; without shared folders:
``ray_files``. This module decides: who gets which job, what is tried again, and what is given up.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from bench.errors import BenchError, StoreError
from bench.scheduling.failures import failure_of, record_failure, record_retry
from bench.scheduling.jobs import Event, Job, OnEvent, Setting
from bench.scheduling.leases import Lease, holder, take
from bench.scheduling.ray_cluster import Request, connected, make_request, nodes, one_line
from bench.scheduling.ray_files import SentData, SentRun, data_of, receive_run, send_data, send_run
from bench.scheduling.ray_worker import Hello, Load, RayWorker, folders_seen, probes_of
from bench.scheduling.same_code import code_identity
from bench.store import Store

GRACE_SECONDS = 20.0
LOOK_SECONDS = 2.0
TELL_SECONDS = 30.0


@dataclass(frozen=True)
class RayWorkers:
    """The executor. A worker that dies, with its node or alone, is replaced; its job is tried again at most
    ``setting.retries`` times, and so is that of one that has said nothing for ``setting.hang_seconds``.

    Where no node that is left could do a run, that is told, and waited for as long. On Ctrl-C every worker checkpoints
    and leaves, then KeyboardInterrupt goes on.
    """

    setting: Setting
    address: str | None = None
    share: float = 1.0
    memory_gib: float | None = None
    slots: int | None = None
    files: str = "auto"

    def run(self, jobs: Iterator[Job], on_event: OnEvent) -> None:
        first = next(jobs, None)
        if first is None:  # nothing to do: no cluster is needed
            return
        with connected(self.address):
            asked = make_request(self.setting, self.share, self.memory_gib)
            with probes_of(first) as probes:
                _Driver(self, *asked, probes, chain([first], jobs), on_event).run()


class _LostError(Exception):
    """What a worker sent cannot be used, so that it counts as lost."""


@dataclass
class _Worker:
    """One actor, and the ``call`` to it that is out: its hello, then always a ``hear``."""

    actor: Any
    call: Any
    began: float
    ready: bool = False
    told: bool = False
    results: bool = True
    cache: bool = True
    job: Job | None = None
    heard: float = 0.0
    hung: bool = False
    leaving: bool = False
    started: set[str] = field(default_factory=set)
    leases: dict[str, Lease] = field(default_factory=dict)


class _Driver:
    def __init__(
        self, executor: RayWorkers, request: Request, device: str, probes: Mapping[str, str], jobs: Iterator[Job],
        on_event: OnEvent,
    ) -> None:  # fmt: skip
        import ray

        self.ray, self.executor, self.setting = ray, executor, executor.setting
        self.request, self.device, self.probes = request, device, probes
        self.jobs, self.on_event = jobs, on_event
        self.code = code_identity()
        self.workers: list[_Worker] = []
        self.waiting: deque[Job] = deque()
        self.deaths: dict[str, int] = {}
        self.failed_starts = 0
        self.data: dict[tuple[str, str], SentData] = {}
        self.looked = self.room_since = time.monotonic()
        self.room = self._room()
        self.no_room_told = self.stopping = False

    def run(self) -> None:
        try:
            while True:
                self._hand_out()
                if not self.waiting and not self._busy():
                    return
                self._listen()
                self._look()
        finally:
            self._dismiss()

    # who does what

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self.workers if worker.job is not None]

    def _room(self) -> int:
        room = sum(self.request.fits(node) for node in nodes())
        return room if self.executor.slots is None else min(room, self.executor.slots)

    def _hand_out(self) -> None:
        """Takes as many jobs as there is room for, gives them to idle workers, and starts or ends workers to match."""
        while len(self.waiting) + len(self._busy()) < max(1, self.room):
            job = next(self.jobs, None)
            if job is None:
                break
            self.waiting.append(job)
        for worker in [worker for worker in self.workers if worker.ready and worker.job is None]:
            while worker.job is None and self.waiting:
                self._give(worker, self.waiting.popleft())
            if worker.job is None:
                self._end(worker)
        starting = [worker for worker in self.workers if not worker.ready]
        for worker in starting[len(self.waiting) :]:
            self._end(worker)
        for _ in range(min(len(self.waiting) - len(starting), self.room - len(self.workers))):
            self._start()

    def _start(self) -> None:
        # Four calls at once: a hear that waits, an answer, a stop, and a job.
        actor: Any = self.ray.remote(RayWorker).options(max_concurrency=4, **self.request.options).remote(self.device)
        self.workers.append(_Worker(actor, actor.hello.remote(self.probes), time.monotonic()))

    def _end(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        self.ray.kill(worker.actor)
        for lease in worker.leases.values():
            lease.give_back()

    def _give(self, worker: _Worker, job: Job) -> None:
        if not worker.results:
            if job.same_class:
                raise BenchError("--same-class puts earlier results aside, so every worker must see the results folder")
            job = self._leased(worker, job)
            if not job.runs:
                return
        store = Store(Path(job.results))
        try:
            data = None if worker.cache else self._data_for(job)
            runs = None if worker.results else {run: send_run(store, run, {}) for run in worker.leases}
        except BenchError as error:
            self._failed(job, failure_of(error, job.runs[0]["config"]))
            self._let_go(worker)
            return
        worker.job, worker.heard, worker.started = job, time.monotonic(), set()
        worker.actor.do.remote(job, Load(data, runs))

    def _leased(self, worker: _Worker, job: Job) -> Job:
        """The job without the runs that others hold: a worker that does not see them cannot take their leases."""
        store, kept = Store(Path(job.results)), []
        for run in job.runs:
            key = run["run"]
            lease = worker.leases.get(key) or take(store.run_folder(key), stale=job.stale.get(key))
            if lease is None:
                self._tell({"run": key, "kind": "elsewhere"})
                continue
            worker.leases[key] = lease
            if store.cancelled(key):
                worker.leases.pop(key).give_back()
                self._tell({"run": key, "kind": "cancelled"})
                continue
            kept.append(run)
        return replace(job, runs=tuple(kept))

    def _data_for(self, job: Job) -> tuple[SentData, ...]:
        found = data_of(Path(job.cache), job.runs)
        for kind, digest in found:
            if (kind, digest) not in self.data:
                self.data[kind, digest] = send_data(Path(job.cache), kind, digest)
        return tuple(self.data[key] for key in found)

    # what they say

    def _listen(self) -> None:
        calls = {worker.call: worker for worker in self.workers}
        if not calls:
            time.sleep(LOOK_SECONDS)
            return
        ready, _ = self.ray.wait(list(calls), timeout=1.0)
        if ready:
            ready, _ = self.ray.wait(list(calls), num_returns=len(calls), timeout=0)
        for call in ready:
            self._heard(calls[call])

    def _heard(self, worker: _Worker) -> None:
        try:
            found = self.ray.get(worker.call)
            if isinstance(found, Hello):
                self._welcome(worker, found)
            else:
                for event in found:
                    self._event(worker, event)
        except (self.ray.exceptions.RayError, _LostError) as error:
            self._lost(worker, one_line(error))
            return
        if worker in self.workers:
            worker.call = worker.actor.hear.remote()

    def _welcome(self, worker: _Worker, hello: Hello) -> None:
        worker.results, worker.cache = folders_seen(hello, self.code, self.probes, self.executor.files)
        worker.ready, self.failed_starts = True, 0

    def _event(self, worker: _Worker, event: Event) -> None:
        job, kind = worker.job, event["kind"]
        worker.heard = time.monotonic()
        if job is None:
            return
        if kind == "idle":
            self._let_go(worker)
            if worker.leaving:
                self._end(worker)
        elif kind == "broke":
            self._failed(job, event["failure"])
        elif any(not lease.held() for lease in worker.leases.values()):
            for run in job.runs:
                self._tell({"run": run["run"], "kind": "elsewhere"})
            self._end(worker)
            self._let_go(worker)
        elif kind == "files":
            files: SentRun = event["files"]
            try:
                receive_run(Store(Path(job.results)), event["run"], files)
            except StoreError as error:
                raise _LostError(str(error)) from None
        else:
            if kind == "started":
                worker.started.add(event["run"])
            answer = self._tell(event)
            if not worker.leaving and any(lease.cancelled for lease in worker.leases.values()):
                worker.leaving = True
                worker.actor.stop.remote()  # it sends its checkpoint and takes no other job
            elif kind == "epoch" and job.ask:
                worker.actor.answer.remote(answer or "go on")

    def _let_go(self, worker: _Worker) -> None:
        for lease in worker.leases.values():
            lease.give_back()
        worker.job, worker.leases = None, {}

    def _tell(self, event: Event) -> str | None:
        return None if self.stopping else self.on_event(event)

    # what goes wrong

    def _lost(self, worker: _Worker, why: str) -> None:
        """The worker is gone: its job goes back, or is recorded as failed."""
        job = worker.job
        self._end(worker)
        if self.stopping:
            return
        if not worker.ready:
            self.failed_starts += 1 if self.room else 0
            if self.failed_starts > (1 + self.setting.retries) * max(1, self.room):
                raise BenchError(f"no worker can start on the Ray cluster: {why}")
            return
        if job is None:
            return
        how = f"the worker process or its node died ({why})"
        if worker.hung:
            how = f"the worker process said nothing for {self.setting.hang_seconds:g} s and was killed"
        self.deaths[job.name] = self.deaths.get(job.name, 0) + 1
        if self.deaths[job.name] > self.setting.retries:
            reason = "hang" if worker.hung else "death"
            self._failed(job, _failure(reason, f"{how}, {self.deaths[job.name]} times"))
            return
        store = Store(Path(job.results))
        held = {run: holder(store.run_folder(run)) for run in worker.started}
        stale = {run: found.mark for run, found in held.items() if found is not None}  # what the dead one left
        self.waiting.appendleft(replace(job, stale={**job.stale, **stale}))
        self._tell({"run": job.runs[0]["run"], **record_retry(store, job, how)})

    def _failed(self, job: Job, failure: dict[str, Any]) -> None:
        for run in dict.fromkeys(run["run"] for run in job.runs):
            kept = record_failure(Store(Path(job.results)), run, failure)
            self._tell({"run": run, "kind": "failed", **kept})

    def _look(self) -> None:
        """Now and then: who hangs, who waits for room, and whether any node is left that has it."""
        now, patience = time.monotonic(), self.setting.hang_seconds
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked, self.room = now, self._room()
        for worker in self._busy():
            if patience is not None and not worker.hung and now - worker.heard > patience:
                worker.hung = True
                self.ray.kill(worker.actor)  # the call that is out will say so
        if self.room:
            self.room_since, self.no_room_told = now, False
        elif self.waiting and not self.no_room_told:
            self.no_room_told = True
            self._wait_told(f"no node of the Ray cluster is left with {self.request}; waiting for one")
        elif self.waiting and patience is not None and now - self.room_since > patience:
            error = f"no node of the Ray cluster had {self.request} for {patience:g} s"
            names = [run["run"] for job in self.waiting for run in job.runs]
            for job in self.waiting:
                self._failed(job, _failure("hang", error))
            raise BenchError(f"{error}; given up: {', '.join(names)}; the same command goes on when there are nodes")
        for worker in self.workers:
            if self.room and not worker.ready and not worker.told and now - worker.began > TELL_SECONDS:
                worker.told = True
                self._wait_told(f"waiting for the Ray cluster to have {self.request} free")

    def _wait_told(self, text: str) -> None:
        for job in self.waiting:
            self._tell({"run": job.runs[0]["run"], "kind": "warning", "text": text})

    def _dismiss(self) -> None:
        """Busy workers checkpoint at their next step, what they send is kept, and all end."""
        self.stopping = True
        try:
            for worker in self._busy():
                with suppress(self.ray.exceptions.RayError):
                    worker.actor.stop.remote()
            deadline = time.monotonic() + GRACE_SECONDS
            while self._busy() and time.monotonic() < deadline:
                self._listen()
        finally:
            for worker in list(self.workers):
                self._end(worker)


def _failure(reason: str, error: str) -> dict[str, Any]:
    return {"reason": reason, "error": error, "traceback": ""}

"""What runs on a node of a Ray cluster: a warm worker that does one job at a time and tells what happens.

Where it sees the results folder and the cache it works in them, as a local worker does. Otherwise it brings what the
job reads into this machine's own cache, works in a folder of its own, and sends what is new in it back.
"""

from __future__ import annotations

import os
import queue
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.data.cache import cache_root
from bench.errors import BenchError
from bench.records import write_bytes
from bench.scheduling.failures import failure_of
from bench.scheduling.jobs import Event, Job
from bench.scheduling.ray_files import SentData, SentRun, receive_data, receive_run, send_run
from bench.scheduling.replicas import ReplicaDiedError
from bench.scheduling.same_code import code_difference, code_identity
from bench.scheduling.worker import run_job
from bench.store import Store

SEND_SECONDS = 60.0
SEND_SHARE = 0.01  # of the time at most, so that large checkpoints are sent less often
_ENDS = ("done", "failed", "pruned", "stopped", "cancelled")


@dataclass(frozen=True)
class Hello:
    """Who a worker is: its code (see ``code_identity``), and which of the folders it was asked about it sees."""

    code: dict[str, str]
    sees: frozenset[str]
    node: str


@dataclass(frozen=True)
class Load:
    """What a worker that does not see the folders is sent with a job; None of what it sees.

    ``data``: what to bring into its own cache; ``runs``: the runs' folders as they are, by run.
    """

    data: tuple[SentData, ...] | None
    runs: dict[str, SentRun] | None


@contextmanager
def probes_of(job: Job) -> Iterator[dict[str, str]]:
    """A file of random text in the results folder and one in the cache: who finds them there shares the folders."""
    text = secrets.token_hex(16)
    paths = [Path(folder) / f".probe-{text}" for folder in (job.results, job.cache)]
    try:
        for path in paths:
            write_bytes(path, text.encode())
        yield {str(path): text for path in paths}
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def folders_seen(hello: Hello, code: Mapping[str, str], probes: Mapping[str, str], files: str) -> tuple[bool, bool]:
    """Whether a worker works in the shared results folder, and in the shared cache.

    Raises BenchError if it runs other code than this, or does not see what it must.
    """
    where = f"node {hello.node[:8]} of the Ray cluster"
    difference = code_difference(code, hello.code)
    if difference is not None:
        raise BenchError(f"{where} runs another bench: {difference}; install the same on each")
    unseen = [str(Path(path).parent) for path in probes if path not in hello.sees]
    if files == "shared" and unseen:
        raise BenchError(f"executor.files is shared, but {where} does not see {' nor '.join(unseen)}")
    results, cache = (path in hello.sees and files != "sent" for path in probes)
    return results, cache


class RayWorker:
    """An actor's class. ``hear`` waits for what happens; the end of a job is told as ``idle``, or as ``broke``, with
    the failure, where the job could not even be begun."""

    def __init__(self, device: str) -> None:
        if device == "cpu":  # Ray hides GPUs only from those who ask for a share of one
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._device = device
        self._jobs: queue.SimpleQueue[tuple[Job, Load]] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._verdicts: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stop = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def hello(self, probes: Mapping[str, str]) -> Hello:
        """``probes``: files and what the parent wrote into them; a folder is seen if that stands there."""
        import ray

        import bench.scheduling.warm  # noqa: F401

        seen = frozenset(path for path, text in probes.items() if _text(path) == text)
        return Hello(code_identity(), seen, ray.get_runtime_context().get_node_id())

    def do(self, job: Job, load: Load) -> None:
        self._jobs.put((job, load))

    def hear(self) -> list[Event]:
        """What happened since the last call; waits until something does."""
        events = [self._told.get()]
        while not self._told.empty():
            events.append(self._told.get())
        return events

    def answer(self, verdict: str) -> None:
        self._verdicts.put(verdict)

    def stop(self) -> None:
        """Lets the job write a checkpoint and end."""
        self._stop.set()

    def _serve(self) -> None:
        while True:
            job, load = self._jobs.get()
            try:
                self._do(job, load)
            except ReplicaDiedError:
                os._exit(1)  # the driver sees a death, and tries the job again
            except Exception as error:
                self._told.put({"kind": "broke", "failure": failure_of(error, job.runs[0]["config"])})
            self._told.put({"kind": "idle"})

    def _do(self, job: Job, load: Load) -> None:
        if load.data is not None:
            job = replace(job, cache=str(cache_root()))
            for data in load.data:
                receive_data(Path(job.cache), data)
        if load.runs is None:
            run_job(job, self._device, self._told.put, self._stop.is_set, self._verdict)
            return
        with tempfile.TemporaryDirectory(prefix="bench-run-") as folder:
            store = Store(Path(folder))
            for run, sent in load.runs.items():
                receive_run(store, run, sent)
            there = {run: {n: f.sha256 for n, f in sent.files.items()} for run, sent in load.runs.items()}
            home = Home(store, self._told, there)
            job = replace(job, results=folder, stale={})
            run_job(job, self._device, home.tell, self._stop.is_set, self._verdict)

    def _verdict(self) -> str | None:
        while not self._stop.is_set():
            try:
                return self._verdicts.get(timeout=0.2)
            except queue.Empty:
                continue
        return None


class Home:
    """Tells what happens, and sends a run's files before its end is told, and its checkpoint now and then."""

    def __init__(self, store: Store, told: queue.SimpleQueue[Event], known: dict[str, dict[str, str]]) -> None:
        self.store, self.told, self.known = store, told, known
        self.sent, self.took = time.monotonic(), 0.0

    def tell(self, event: Event) -> None:
        due = time.monotonic() - self.sent > max(SEND_SECONDS, self.took / SEND_SHARE)
        if event["kind"] in _ENDS or due:
            self._send(event["run"])
        self.told.put(event)

    def _send(self, run: str) -> None:
        begun = time.monotonic()
        known = self.known[run]
        sent = send_run(self.store, run, known)
        known.update({name: file.sha256 for name, file in sent.files.items()})
        for name in sent.gone:
            del known[name]
        self.told.put({"run": run, "kind": "files", "files": sent})
        self.sent = time.monotonic()
        self.took = self.sent - begun


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None

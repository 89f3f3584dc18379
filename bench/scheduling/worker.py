"""A worker: one Run, start to end: data, backbone, loss, weights, embeddings, protocols, metrics."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.records import remove_leftovers
from bench.scheduling.classes import differences
from bench.scheduling.evaluate_run import evaluate_run, weights_damage
from bench.scheduling.failures import failure_of, record_failure
from bench.scheduling.jobs import Ask, Event, Job, Send
from bench.scheduling.leases import Lease, take
from bench.scheduling.replicas import ReplicaDiedError
from bench.scheduling.signals import HANGUP
from bench.scheduling.train_run import PrunedError, TakenOverError, train_run
from bench.store import Store


def run_job(job: Job, device: str, send: Send, stop: Callable[[], bool], ask: Ask = lambda: None) -> None:
    """Does every run of a job. A run that fails is recorded and told, and the next goes on.

    A run that another process holds is told as ``elsewhere`` and left to it. The same training may stand there several
    times, with other tests; if it fails it is not tried for the others. Raises ReplicaDiedError, after telling, where
    another process of the run died: the job is then to be tried again, as after the death of this one.
    """
    store = Store(Path(job.results))
    ended: set[str] = set()
    for run in job.runs:
        if run["run"] in ended:
            continue
        lease = None
        try:
            lease = take(store.run_folder(run["run"]), stale=job.stale.get(run["run"]))
            if lease is None:
                ended.add(run["run"])
                send({"run": run["run"], "kind": "elsewhere"})
                continue
            if store.cancelled(run["run"]):
                ended.add(run["run"])
                send({"run": run["run"], "kind": "cancelled"})
                continue
            remove_leftovers(store.run_folder(run["run"]), alone=True)
            _run(run, job, store, device, _named(run["run"], send), lease, stop, ask if job.ask else None)
        except ReplicaDiedError as error:
            warning = {"kind": "warning", "text": str(error)}
            store.append_event(run["run"], warning)
            send({"run": run["run"], **warning})
            raise
        except TakenOverError:
            ended.add(run["run"])
            send({"run": run["run"], "kind": "elsewhere"})
        except Exception as error:
            ended.add(run["run"])
            from bench.training.loop import StoppedError

            if isinstance(error, StoppedError | PrunedError):
                given_up = "cancelled" if store.cancelled(run["run"]) else "stopped"
                kind = "pruned" if isinstance(error, PrunedError) else given_up
                with suppress(StoreError):
                    store.append_event(run["run"], {"kind": kind})
                send({"run": run["run"], "kind": kind})
                continue
            if lease is not None and not lease.held():
                send({"run": run["run"], "kind": "elsewhere"})
                continue
            failure = failure_of(error, run["config"])
            send({"run": run["run"], "kind": "failed", **record_failure(store, run["run"], failure)})
        finally:
            if lease is not None:
                lease.give_back()
                from bench.training.environment import release_memory

                release_memory()


def _named(run: str, send: Send) -> Send:
    return lambda event: send({"run": run, **event})


def _run(
    run: dict[str, Any], job: Job, store: Store, device_name: str, send: Send, lease: Lease,
    stop: Callable[[], bool], ask: Ask | None,
) -> None:  # fmt: skip
    from bench.data.packed import open_packed
    from bench.training.environment import execution_class, make_deterministic, pick_device

    config, key, cache = run["config"], run["run"], Path(job.cache)

    def asked_to_stop() -> bool:
        if lease.lost:
            raise TakenOverError(f"run {key} was taken over by another process")
        return lease.cancelled or stop()

    recipe = config["recipe"]
    make_deterministic(threads=recipe["threads"], deterministic=recipe["deterministic"])
    device = pick_device(device_name)
    if job.same_class and (trained := store.result(key)) is not None:
        differs = differences(trained["execution_class"], execution_class(device, job.processes))
        if differs:
            open_packed(cache, config["train"]["digest"])  # raises if it could not be trained again
            kept = store.supersede(key).relative_to(store.root)
            superseded = {"kind": "superseded", "differs": differs, "kept": str(kept)}
            store.append_event(key, superseded)
            send(superseded)
    if store.state(key, run["evaluations"].values()) == "done":
        send({"kind": "done"})
        return
    store.clear_failure(key)
    store.append_event(key, {"kind": "started"})
    send({"kind": "started"})
    images = open_packed(cache, config["train"]["digest"])
    if store.result(key) is None:
        train_run(run, store, cache, images, device, job.processes, send, lease, asked_to_stop, ask)
    missing = {n: e for n, e in run["evaluations"].items() if store.evaluation(key, e) is None}
    if missing and (damage := weights_damage(store, key)):
        send({"kind": "warning", "text": f"{damage}; it is trained again"})
        train_run(run, store, cache, images, device, job.processes, send, lease, asked_to_stop, ask)
        missing = run["evaluations"]
    if missing:
        evaluate_run(run, store, cache, images, device, missing, send, asked_to_stop)
    store.append_event(key, {"kind": "done"})
    store.clear_cancelled(key)  # it came too late
    send({"kind": "done"})


def serve(connection: Connection, device: str, mask: str | None) -> None:
    """Main of a worker process: does jobs from the pipe until it is told None. SIGTERM: checkpoint, then leave.

    It also leaves so when nobody is there any more to hear it.
    """
    for number in {signal.SIGINT, HANGUP} - {signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)  # the parent decides what Ctrl-C and a closed terminal mean
    asked_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.set())

    def send(event: Event) -> None:
        try:
            connection.send(event)
        except OSError:
            asked_to_stop.set()

    if mask is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = mask
    while not asked_to_stop.is_set():
        try:
            if not connection.poll(0.2):
                continue
            job = connection.recv()
        except (EOFError, OSError):
            return
        if job is None:
            return
        try:
            run_job(job, device, send, asked_to_stop.is_set, lambda: _verdict(connection, asked_to_stop))
        except ReplicaDiedError:
            sys.exit(1)  # the scheduler sees a death, and tries the job again
        if not asked_to_stop.is_set():  # else its end tells the parent that the job was not done
            send({"kind": "idle"})


def _verdict(connection: Connection, asked_to_stop: threading.Event) -> str | None:
    while not asked_to_stop.is_set():
        try:
            if connection.poll(0.2):
                answer: str | None = connection.recv()
                return answer
        except (EOFError, OSError):
            asked_to_stop.set()
    return None

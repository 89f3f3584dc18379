"""A worker: one Run, start to end: data, backbone, loss, weights, embeddings, protocols, metrics."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, StoreError
from bench.records import remove_leftovers
from bench.scheduling.classes import differences
from bench.scheduling.failures import failure_of, record_failure
from bench.scheduling.jobs import Event, Job
from bench.scheduling.leases import Lease, take
from bench.scheduling.replicas import ReplicaDiedError, team_for
from bench.scheduling.signals import HANGUP
from bench.store import Store

if TYPE_CHECKING:
    import torch

    from bench.data.packed import PackedImages
    from bench.losses.head import MarginHead

TELL_SECONDS = 5.0

Send = Callable[[Event], None]
Ask = Callable[[], str | None]


class PrunedError(BenchError):
    """The search gave this run up."""


class TakenOverError(BenchError):
    """Somebody else took this run over because its process seemed gone."""


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
        _train(run, store, cache, images, device, job.processes, send, lease, asked_to_stop, ask)
    missing = {n: e for n, e in run["evaluations"].items() if store.evaluation(key, e) is None}
    if missing and (damage := weights_damage(store, key)):
        send({"kind": "warning", "text": f"{damage}; it is trained again"})
        _train(run, store, cache, images, device, job.processes, send, lease, asked_to_stop, ask)
        missing = run["evaluations"]
    if missing:
        _evaluate(run, store, cache, images, device, missing, send, asked_to_stop)
    store.append_event(key, {"kind": "done"})
    store.clear_cancelled(key)  # it came too late
    send({"kind": "done"})


def _train(
    run: dict[str, Any], store: Store, cache: Path, images: PackedImages, device: torch.device, processes: int,
    send: Send, lease: Lease, stop: Callable[[], bool], ask: Ask | None,
) -> None:  # fmt: skip
    from safetensors.torch import save

    from bench.records import write_bytes
    from bench.scheduling.validation import make_validation
    from bench.training.checkpoint import remove_checkpoint
    from bench.training.environment import environment, execution_class, gpu_peak, watch_memory
    from bench.training.loop import Training
    from bench.training.split import relabel, split_identities

    config, key = run["config"], run["run"]
    rows, held_out = split_identities(images.labels, config["validation"])
    store.write_config(key, config)
    last: dict[str, Any] = {}

    def tell(event: Event) -> None:
        if event["kind"] == "epoch":
            event = {**event, **gpu_peak(device)}
        if event["kind"] in ("step", "epoch"):
            lease.position = {name: event[name] for name in ("epoch", "epochs", "images_per_second")}
        if event["kind"] != "step":
            store.append_event(key, event)
        send(event)
        if event["kind"] == "epoch":
            last.update(event)
            if ask is not None and ask() == "prune":
                raise PrunedError("pruned")

    watch_memory(device)
    validate = make_validation(images, held_out, config, device) if len(held_out) else None
    checkpoint = store.checkpoint_folder(key) / "training.safetensors"
    with team_for(config, cache=cache, checkpoint=checkpoint, device=device, processes=processes) as team:
        trained = Training(
            config, images, rows, relabel(images.labels[rows]),
            device=device, checkpoint=checkpoint, tell=tell, stop=stop, validate=validate, team=team,
        ).run()  # fmt: skip
    if not lease.held():
        raise TakenOverError(f"run {key} was taken over by another process")
    weights = {name: tensor.cpu().contiguous() for name, tensor in trained.backbone.state_dict().items()}
    centres = {name: tensor.cpu().contiguous() for name, tensor in trained.head_state.items()}
    content = save(weights)
    head = save(centres)
    store.clear_evaluations(key)  # of weights that are replaced now
    write_bytes(store.checkpoint_folder(key) / "backbone.safetensors", content)
    write_bytes(store.checkpoint_folder(key) / "head.safetensors", head)
    store.write_result(
        key,
        {
            "run": key,
            "config": config,
            "metrics": {
                "loss": last.get("loss"),
                "train_seconds": trained.seconds,
                "images_per_second": trained.steps * config["recipe"]["batch"] / max(1e-9, trained.seconds),
                **gpu_peak(device),
            },
            "validation": last.get("validation"),
            "weights_sha256": hashlib.sha256(content).hexdigest(),
            "head_sha256": hashlib.sha256(head).hexdigest(),
            "execution_class": execution_class(device, processes),
            "environment": environment(*config.get("packages", ())),
            "epochs": trained.epochs,
            "steps": trained.steps,
            "selected_epoch": trained.selected_epoch,
        },
    )
    remove_checkpoint(checkpoint)


def _evaluate(
    run: dict[str, Any], store: Store, cache: Path, images: PackedImages, device: torch.device,
    missing: dict[str, str], send: Send, stop: Callable[[], bool],
) -> None:  # fmt: skip
    from bench.data.protocols import open_protocol
    from bench.evaluation.run import evaluate_protocol, evaluate_training
    from bench.training.loop import StoppedError
    from bench.training.split import relabel, split_identities

    config, key = run["config"], run["run"]
    backbone, head = load_trained(store, key, config, device)
    for name, evaluation in missing.items():
        if stop():
            raise StoppedError(f"stopped before the evaluation on {name}")
        send({"kind": "evaluating", "protocol": name})
        if name == "train":
            rows, _ = split_identities(images.labels, config["validation"])
            record, arrays = evaluate_training(
                backbone, head, images, rows, relabel(images.labels[rows]),
                seed=config["seed"], step=(store.result(key) or {})["steps"], device=device,
            )  # fmt: skip
        else:
            protocol = open_protocol(cache, run["protocols"][name])
            record, arrays = evaluate_protocol(
                backbone, protocol, run["options"], device=device, progress=_now_and_then(name, send)
            )
        store.write_evaluation(key, evaluation, {"run": key, "protocol": name, **record}, arrays)
        store.append_event(key, {"kind": "evaluated", "protocol": name, "seconds": record["seconds"]})
        send({"kind": "evaluated", "protocol": name})


def _now_and_then(protocol: str, send: Send) -> Callable[[int, int], None]:
    """Tells the embedding of a large protocol, so that nobody takes the silence for a process that hangs."""
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            send({"kind": "embedding", "protocol": protocol, "done": done, "total": total})

    return progress


def weights_damage(store: Store, key: str) -> str | None:
    """What is wrong with the weights of a trained run, in words, or None."""
    folder, result = store.checkpoint_folder(key), store.result(key) or {}
    for part, kept in (("backbone", "weights_sha256"), ("head", "head_sha256")):
        file = folder / f"{part}.safetensors"
        try:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            return f"{file}: the weights of this run cannot be read ({error.strerror or error})"
        if found != result.get(kept, found):  # older results do not know their head's
            return f"{file}: the weights of this run are not those that its result.json names"
    return None


def load_trained(
    store: Store, key: str, config: dict[str, Any], device: torch.device
) -> tuple[torch.nn.Module, MarginHead]:
    """Backbone and head of a trained run, in evaluation mode on the device. Raises StoreError for damaged weights."""
    import torch
    from safetensors.torch import load_file

    from bench.training.loop import make_models

    if damage := weights_damage(store, key):
        raise StoreError(f"{damage}; delete its folder {store.run_folder(key)} and train it again")
    folder = store.checkpoint_folder(key)
    centres = load_file(folder / "head.safetensors")
    try:
        backbone, head = make_models(config, classes=len(centres["centres"]))
    except KeyError as error:
        raise StoreError(
            f"{store.run_folder(key)}: its configuration has no {error}: an older version trained it, whose networks "
            "this one cannot build"
        ) from None
    backbone.load_state_dict(load_file(folder / "backbone.safetensors"))
    head.load_state_dict(centres)
    backbone = backbone.to(device).to(memory_format=torch.channels_last)
    return backbone.eval(), head.to(device).eval()


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

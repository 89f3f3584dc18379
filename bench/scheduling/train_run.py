"""Training one run: data, backbone, loss, weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.records import write_bytes
from bench.scheduling.jobs import Ask, Event, Send
from bench.scheduling.leases import Lease
from bench.scheduling.replicas import team_for
from bench.store import Store

if TYPE_CHECKING:
    import torch

    from bench.data.packed import PackedImages


class PrunedError(BenchError):
    """The search gave this run up."""


class TakenOverError(BenchError):
    """Somebody else took this run over because its process seemed gone."""


def train_run(
    run: dict[str, Any], store: Store, cache: Path, images: PackedImages, device: torch.device, processes: int,
    send: Send, lease: Lease, stop: Callable[[], bool], ask: Ask | None,
) -> None:  # fmt: skip
    from safetensors.torch import save

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

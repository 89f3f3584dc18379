"""Evaluating one trained run: weights, embeddings, protocols, metrics."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import StoreError
from bench.scheduling.jobs import Send
from bench.store import Store

if TYPE_CHECKING:
    import torch

    from bench.data.packed import PackedImages
    from bench.losses.head import MarginHead

TELL_SECONDS = 5.0


def evaluate_run(
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

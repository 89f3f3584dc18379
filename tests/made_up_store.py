"""Finished runs made up in a moment: the files that a run leaves, as full as real ones, written without fsync."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from bench.catalog.metrics import METRICS
from bench.records import canonical, digest
from bench.store import Store

EDGES = [2.5 * i for i in range(73)]


def finish_runs(store: Store, runs: Iterable[Mapping[str, Any]], epochs: int = 2, pairs: int = 200) -> None:
    """Makes the planned runs done: configuration, events, result, and a record with arrays for every evaluation, of so
    many pairs."""
    for run in runs:
        folder = store.run_folder(run["run"])
        (folder / "evaluations").mkdir(parents=True, exist_ok=True)
        quality = int(run["run"][:4], 16) / 16**4
        for protocol, evaluation in run["evaluations"].items():
            (folder / "evaluations" / f"{evaluation}.safetensors").write_bytes(_arrays(pairs))
            _write(folder / "evaluations" / f"{evaluation}.json", {**_evaluation(run["run"], protocol, quality)})
        (folder / "config.json").write_text(json.dumps(run["config"], sort_keys=True))
        (folder / "events.jsonl").write_text(
            "".join(json.dumps(_epoch(i, epochs)) + "\n" for i in range(1, epochs + 1))
        )
        _write(folder / "result.json", _result(run, quality, epochs))


def _write(path: Path, body: dict[str, Any]) -> None:
    """Without the line breaks that make real ones readable, which is what takes the time."""
    path.write_text(canonical({**body, "checksum": digest(body)}))


@cache
def _arrays(pairs: int) -> bytes:
    scores = np.linspace(-1, 1, pairs, dtype=np.float32)
    return save({"scores": scores, "same": (np.arange(pairs) % 3 < scores + 1).astype(np.uint8)})


def _evaluation(run: str, protocol: str, quality: float) -> dict[str, Any]:
    names = [*METRICS, "tar_at_far_1e-2", "tar_at_far_1e-3"]
    metrics: dict[str, float | None] = {name: quality / (i + 1) for i, name in enumerate(names)}
    counts = [float(i % 7) for i in range(72)]
    return {
        "schema": 1, "run": run, "protocol": protocol, "seconds": 0.5, "metrics": {**metrics, "tar_at_far_1e-3": None},
        "angles": {"edges_deg": EDGES, "intra": counts, "inter": counts[::-1]},
        "intervals": {name: {"low": quality / 3, "high": quality / 2, "undefined": 3} for name in names[:14]},
        "accuracy_per_fold": [quality] * 10, "thresholds": [quality / 7] * 10,
        "facts": {"pairs": 6000, "folds": 10, "images": 7701, "lists": "0" * 64},
        "notes": {"tar_at_far_1e-3": "not measurable: 24 impostors"},
    }  # fmt: skip


def _epoch(epoch: int, epochs: int) -> dict[str, Any]:
    loss = 12 / epoch
    return {
        "kind": "epoch", "epoch": epoch, "epochs": epochs, "loss": loss, "base": loss, "term": None, "strength": 0.0,
        "terms": {}, "target_angle_deg": 80 / epoch**0.5, "posterior": None, "lr": 0.1, "images_per_second": 100.0,
        "seconds": float(epoch), "time": 1.7e9 + epoch,
    }  # fmt: skip


def _result(run: Mapping[str, Any], quality: float, epochs: int) -> dict[str, Any]:
    return {
        "schema": 1, "run": run["run"], "config": run["config"], "epochs": epochs, "steps": 6 * epochs,
        "metrics": {"loss": 1 + quality, "images_per_second": 100.0, "train_seconds": 9.0},
        "validation": None, "selected_epoch": epochs, "weights_sha256": "0" * 64,
        "execution_class": {
            "device": "cpu", "torch": "2.14", "blas": "mkl", "cpu_capability": "AVX2", "fused": 1, "world_size": 1,
        },
        "environment": {
            "python": "3.12", "torch": "2.14", "commit": "c0ffee", "dirty": False, "system": "Linux", "cores": 2,
            "numpy": "2.4", "pandas": "3.0", "pillow": "12.0", "safetensors": "0.8", "timm": "1.0",
            "processor": "made up",
        },
    }  # fmt: skip

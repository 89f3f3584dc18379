"""Suites of a few made-up runs, and what MLflow holds of them."""

import shutil
from pathlib import Path
from typing import Any

from bench.store import Store

SUITE = "tiny"
TRAINED, OTHER, FAILED, PENDING = "aa01", "aa02", "bb01", "cc01"


def entry(run: str, strength: str) -> dict[str, Any]:
    config = {
        "backbone": {"name": "small_cnn"},
        "margin": {"name": "arcface", "m": 0.5, "s": 64},
        "enhancement": {"strength": float(strength), "gate": {"name": "hard"}} if float(strength) else None,
        "recipe": {"notes": "n" * 7000, "milestones": [1, 2]},
        "train": {"digest": "feed", "images": 40},
        "seed": 0,
    }
    return {
        "run": run,
        "seed": 0,
        "cell": f"cell{run}",
        "baseline": "cellaa01",
        "axes": {"margin": "arcface", "enhancement.strength": strength},
        "config": config,
        "evaluations": {"lfw": "e1", "ytf": "e2"},
    }


def plan(name: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 1,
        "suite": name,
        "title": "A tiny suite",
        "file": "tiny.yaml",
        "digest": "d1",
        "command": "bench run tiny.yaml",
        "axes": ["margin", "enhancement.strength"],
        "protocols": ["lfw", "ytf"],
        "runs": list(entries),
    }


def finish(store: Store, run: str, accuracy: float = 0.75) -> None:
    """A run of two epochs and one evaluation (``ytf`` has not been measured)."""
    for epoch in (1, 2):
        told = {"epoch": epoch, "loss": 3.0 / epoch, "term": None, "seconds": 2.0, "time": 1_700_000_000.5 + epoch}
        store.append_event(run, {"kind": "epoch", **told, "validation": {"accuracy": 0.6 + epoch / 10}})
    result = {
        "run": run,
        "metrics": {"loss": 1.5},
        "weights_sha256": "cafe",
        "execution_class": {"device": "cpu", "torch": "2.11"},
        "environment": {"commit": "c0ffee", "dirty": False},
        "epochs": 2,
    }
    store.write_result(run, result)
    metrics = {"accuracy": accuracy, "tar_at_far_1e-3": None if run == OTHER else 0.25}
    store.write_evaluation(run, "e1", {"protocol": "lfw", "run": run, "metrics": metrics}, {})


def fill(store: Store) -> None:
    finish(store, TRAINED)
    finish(store, OTHER)
    store.append_event(FAILED, {"kind": "epoch", "epoch": 1, "loss": 9.0, "time": 1_700_000_000.0})
    store.write_failure(FAILED, {"error": "loss is NaN at step 3", "traceback": "…", "step": 3})


def client(store: Store) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{store.root / 'mlflow.db'}")


def children(store: Store, name: str) -> dict[str, Any]:
    """Benchmark run id → MLflow run, refusing doubles."""
    runs = [run for run in all_runs(store, name) if "bench.run" in run.data.tags]
    assert len({run.data.tags["bench.run"] for run in runs}) == len(runs)
    return {run.data.tags["bench.run"]: run for run in runs}


def parent(store: Store, name: str) -> Any:
    (run,) = [run for run in all_runs(store, name) if "bench.run" not in run.data.tags]
    return run


def all_runs(store: Store, name: str) -> list[Any]:
    mlflow = client(store)
    return list(mlflow.search_runs([mlflow.get_experiment_by_name(name).experiment_id]))


def store_with(database: Path, folder: Path) -> Store:
    """An empty store beside a copy of an empty database: making MLflow's tables takes seconds."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(database, folder / "mlflow.db")
    return Store(folder)

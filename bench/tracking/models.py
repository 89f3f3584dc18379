"""The weights of a trained run as a model of MLflow with a signature: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records import write_json
from bench.store import Store
from bench.tracking.present import Told, tag

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import Model

LOADER = "bench.tracking.loader"
WEIGHTS, CONFIG = "backbone.safetensors", "config.json"
PREPROCESSING = "RGB, (v − 127.5) / 127.5 of pixels v in 0..255, (B, 3, H, W) float32"


def log_model(client: MlflowClient, store: Store, run: str, told: Told) -> None:
    """Logs the backbone of a trained run, whose weights it checks, unless MLflow has this one. Raises StoreError."""
    from bench.errors import StoreError
    from bench.scheduling.evaluate_run import weights_damage

    result = store.result(run) or {}
    weights = str(result["weights_sha256"])[:16]
    before, _, old = told.tags.get("bench.model", "").partition(" ")
    if before == weights:
        return
    if damage := weights_damage(store, run):
        raise StoreError(f"{damage}; without --models it is mirrored without them")
    if old:
        client.delete_logged_model(old)
    from mlflow.entities import LoggedModelOutput

    created = client.create_logged_model(told.experiment, name="backbone", source_run_id=told.id)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        shutil.copyfile(store.checkpoint_folder(run) / WEIGHTS, data / WEIGHTS)
        write_json(data / CONFIG, result["config"])
        _description(result["config"], created.model_id).save(str(Path(folder) / "MLmodel"))
        client.log_model_artifacts(created.model_id, folder)
    client.finalize_logged_model(created.model_id, "READY")
    client.log_outputs(told.id, [LoggedModelOutput(created.model_id, step=int(result.get("epochs") or 0))])
    tag(client, told, {"bench.model": f"{weights} {created.model_id}"})


def _description(config: dict[str, Any], model_id: str) -> Model:
    """``MLmodel``: what is fed, what comes out, and which module of this project builds the network again."""
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    pixels, width = int(config["pixels"]), int(config["backbone"]["embedding"])
    float32 = np.dtype("float32")
    signature = ModelSignature(
        inputs=Schema([TensorSpec(float32, (-1, 3, pixels, pixels), "images")]),
        outputs=Schema([TensorSpec(float32, (-1, width), "embeddings")]),
    )
    described = Model(
        model_id=model_id, signature=signature,
        metadata={"preprocessing": PREPROCESSING, "embedding": "raw", "backbone": json.dumps(config["backbone"])},
    )  # fmt: skip
    # What mlflow.pyfunc.add_to_model writes; importing that package takes seconds and warns.
    described.add_flavor("python_function", loader_module=LOADER, data="data", python_version=platform.python_version())
    return described

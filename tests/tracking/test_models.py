"""Weights as a model of MLflow: with a signature, without pickle, and giving the embeddings of the run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bench.backbones.catalog import build
from bench.errors import StoreError
from bench.store import Store
from bench.tracking import TrackReport, track_suite
from tests.tracking.made import children, client, entry, finish, plan, store_with

BACKBONE = {"name": "small_cnn", "embedding": 16, "dropout": 0.0, "width": 4, "depth": 1}


@pytest.fixture
def store(database: Path, tmp_path: Path) -> Store:
    import hashlib

    store = store_with(database, tmp_path / "results")
    finish(store, "aa01")
    folder = store.checkpoint_folder("aa01")
    folder.mkdir(parents=True)
    network = build(BACKBONE, pixels=24, generator=torch.Generator().manual_seed(7))
    save_file(network.state_dict(), folder / "backbone.safetensors")
    save_file({"centres": torch.zeros(2, 16)}, folder / "head.safetensors")
    shas = {
        kept: hashlib.sha256((folder / file).read_bytes()).hexdigest()
        for kept, file in (("weights_sha256", "backbone.safetensors"), ("head_sha256", "head.safetensors"))
    }
    config = {"backbone": BACKBONE, "pixels": 24, "seed": 0}
    store.write_result("aa01", {"run": "aa01", "config": config, "metrics": {}, "epochs": 2, **shas})
    store.write_plan("models", plan("models", entry("aa01", "0")))
    return store


def model_of(store: Store) -> Any:
    tags = children(store, "models")["aa01"].data.tags
    return client(store).get_logged_model(tags["bench.model"].partition(" ")[2])


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*")
def test_a_model_has_a_signature_and_gives_the_same_embeddings(store: Store) -> None:
    from mlflow import pyfunc

    assert track_suite(store, "models", models=True) == TrackReport(new=1)
    model = model_of(store)
    assert model.status == "READY"
    assert model.source_run_id == children(store, "models")["aa01"].info.run_id
    folder = Path(model.artifact_location.removeprefix("file://"))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"MLmodel", "data/backbone.safetensors", "data/config.json"}
    loaded = pyfunc.load_model(str(folder))
    assert [spec.shape for spec in loaded.metadata.signature.inputs] == [(-1, 3, 24, 24)]
    assert [spec.shape for spec in loaded.metadata.signature.outputs] == [(-1, 16)]
    images = np.random.default_rng(0).normal(size=(3, 3, 24, 24)).astype(np.float32)
    network = build(BACKBONE, pixels=24, generator=torch.Generator().manual_seed(7)).eval()
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_array_equal(loaded.predict({"images": images}), expected)
    assert track_suite(store, "models", models=True) == TrackReport(skipped=1)
    assert model_of(store).model_id == model.model_id


def test_without_being_asked_no_model_is_logged_and_damaged_weights_are_refused(store: Store) -> None:
    track_suite(store, "models")
    assert "bench.model" not in children(store, "models")["aa01"].data.tags
    (store.checkpoint_folder("aa01") / "backbone.safetensors").write_bytes(b"torn")
    with pytest.raises(StoreError, match="without --models"):
        track_suite(store, "models", models=True)

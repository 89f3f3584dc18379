"""The data sets that runs train and are tested on, as MLflow's inputs: named by content, without a path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

DIGEST_LIMIT = 36  # characters


def inputs(plan: Mapping[str, Any], entry: Mapping[str, Any]) -> list[DatasetInput]:
    """The training images and protocols of one run: digest, and what is counted of each."""
    train = entry["config"].get("train") or {}
    found = []
    if "digest" in train:
        counts = {key: value for key, value in train.items() if key != "digest"}
        found.append(_input("train", train["digest"], "training", counts))
    facts = (plan.get("facts") or {}).get(str(train.get("digest"))[:12]) or {}
    for name, digest in (entry.get("protocols") or {}).items():
        found.append(_input(name, digest, "evaluation", (facts.get("protocols") or {}).get(name) or {}))
    return found


def _input(name: str, digest: str, context: str, counts: Mapping[str, Any]) -> DatasetInput:
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = CodeDatasetSource({"bench.packed": digest})
    dataset = Dataset(
        name=name, digest=digest[:DIGEST_LIMIT], source_type=source._get_source_type(), source=source.to_json(),
        profile=json.dumps(dict(counts), sort_keys=True) if counts else None,
    )  # fmt: skip
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])

"""What a search seeks, of validation identities and of the configuration: never of a test set."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bench.data.cache import cache_root
from bench.errors import BenchError
from bench.scheduling.expected import images_of
from bench.store import Store

if TYPE_CHECKING:
    import numpy as np
    import torch

DIRECTIONS = {"accuracy": "maximize", "isotropy": "maximize", "cost": "minimize"}
WHERE = {
    "accuracy": "validation identities",
    "isotropy": "validation identities",
    "cost": "multiply-adds of the forward passes of a training, from its configuration",
}


def values_of(store: Store, runs: Sequence[str], objectives: Sequence[str]) -> list[float]:
    """Of trained runs that differ by their seeds, the mean of each objective. Raises BenchError where there is none."""
    of_one = {"accuracy": accuracy, "isotropy": isotropy, "cost": cost}
    return [fmean(of_one[name](store, run) for run in runs) for name in objectives]


def accuracy(store: Store, run: str) -> float:
    """On the pairs of validation identities, by the network that was kept."""
    result = store.result(run) or {}
    chosen = [event for event in store.epochs(run) if event["epoch"] == result.get("selected_epoch")]
    found = chosen[0].get("validation") if chosen else result.get("validation")
    if not found:
        raise BenchError(f"run {run} has no validation accuracy")
    return float(found["accuracy"])


def isotropy(store: Store, run: str) -> float:
    """D_eff / (d − 1) of the scatter of validation identities."""
    from bench.evaluation.geometry import measure

    embeddings, labels = validation_embeddings(store, run)
    found = measure(embeddings, labels, seed=0).isotropy
    if found is None:
        raise BenchError("isotropy needs two validation identities of at least four images each")
    return found


def cost(store: Store, run: str) -> float:
    """Multiply-adds of all forward passes of the training: backbone, and the classes of a step's softmax.

    From the configuration alone, so that it is the same on every machine; measured seconds are not.
    """
    config = store.config(run) or {}
    held = config["validation"]["identities"] if config["validation"] else 0.0
    classes = config["train"]["identities"] * (1 - held) * config.get("classifier", {}).get("share", 1.0)
    macs = _macs(json.dumps(config["backbone"], sort_keys=True), config["pixels"])
    return images_of(config) * (macs + float(classes) * int(config["backbone"]["embedding"]))


@functools.cache
def _macs(backbone: str, pixels: int) -> int:
    from bench.backbones.catalog import describe

    return describe(json.loads(backbone), pixels=pixels).macs


def validation_embeddings(store: Store, run: str) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, d) float and identities (N,) of the validation images that scores are of, on the CPU."""
    import torch

    from bench.data.packed import open_packed
    from bench.evaluation.embed import embed
    from bench.scheduling.evaluate_run import load_trained
    from bench.scheduling.validation import MOST_IMAGES, some_people
    from bench.training.split import split_identities

    config = store.config(run) or {}
    images = open_packed(cache_root(), config["train"]["digest"])
    _, rows = split_identities(images.labels, config["validation"])
    rows = rows[some_people(images.labels[rows], MOST_IMAGES, config["validation"]["seed"])]
    device = torch.device("cpu")
    backbone: torch.nn.Module = load_trained(store, run, config, device)[0]
    return embed(backbone, images, rows, flip=True, device=device), images.labels[rows]


def accuracy_interval(store: Store, runs: Sequence[str]) -> tuple[float, float]:
    """95 % bootstrap interval, over identities, of validation accuracy: the mean of the runs' ends, each of which
    resamples the same people."""
    found = [_interval(store, run) for run in runs]
    return fmean(low for low, _ in found), fmean(high for _, high in found)


def _interval(store: Store, run: str) -> tuple[float, float]:
    import numpy as np

    from bench.evaluation import bootstrap_intervals
    from bench.evaluation.templates import pair_scores
    from bench.scheduling.validation import validation_pairs

    block: Mapping[str, Any] = (store.config(run) or {})["validation"]
    embeddings, labels = validation_embeddings(store, run)
    pairs, same, fold = validation_pairs(labels, block["pairs"], block["seed"])
    people = np.stack([labels[pairs[:, 0]], labels[pairs[:, 1]]], axis=1)
    interval = bootstrap_intervals(pair_scores(embeddings, pairs), same, people, fold, fars=[], seed=0)["accuracy"]
    if interval.low is None or interval.high is None:
        raise BenchError(
            f"the baseline's accuracy has no value in any of {interval.replicates} replicates of its people"
        )
    return interval.low, interval.high

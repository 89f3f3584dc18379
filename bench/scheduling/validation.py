"""Scores on validation identities: the only thing checkpoints and searches may look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from bench.data.packed import PackedImages
from bench.data.types import Bool, Int
from bench.evaluation.embed import embed
from bench.evaluation.templates import pair_scores
from bench.evaluation.verification import verify
from bench.suite.seeds import seed_for

MOST_IMAGES = 3000  # all their pairs are listed, and they are embedded after every epoch


def validation_pairs(labels: Int, pairs: int, seed: int, folds: int = 10) -> tuple[Int, Bool, Int]:
    """Distinct genuine and impostor pairs over images with these labels: (P, 2) int64, (P,) bool, folds (P,) int64.

    As many of each kind as asked for, or as there are; folds alternate, so that each holds both kinds.
    """
    draw = np.random.default_rng(seed_for("validation pairs", seed=seed))
    first, second = np.triu_indices(len(labels), k=1)
    genuine = labels[first] == labels[second]
    chosen, same = [], []
    for kind in (True, False):
        candidates = np.flatnonzero(genuine == kind)
        picked = draw.choice(candidates, size=min(pairs, len(candidates)), replace=False)
        chosen.append(np.stack([first[picked], second[picked]], axis=1))
        same.append(np.full(len(picked), kind))
    fold = np.concatenate([np.arange(len(s)) % folds for s in same])
    return np.concatenate(chosen), np.concatenate(same), fold


def some_people(labels: Int, most: int, seed: int) -> Int:
    """Rows of whole identities, drawn by the seed, with about ``most`` images; all rows where there are no more."""
    if len(labels) <= most:
        return np.arange(len(labels))
    names, sizes = np.unique(labels, return_counts=True)
    order = np.random.default_rng(seed_for("validation people", seed=seed)).permutation(len(names))
    count = max(2, int(np.searchsorted(sizes[order].cumsum(), most, side="right")))
    return np.flatnonzero(np.isin(labels, names[order[:count]]))


def make_validation(
    images: PackedImages, rows: Int, config: dict[str, Any], device: torch.device
) -> Callable[[torch.nn.Module], dict[str, float]]:
    """A function that scores a backbone on the held-out identities (accuracy, EER, AUC), without touching any draw."""
    block = config["validation"]
    rows = rows[some_people(images.labels[rows], MOST_IMAGES, block["seed"])]
    pairs, same, fold = validation_pairs(images.labels[rows], block["pairs"], block["seed"])

    def validate(backbone: torch.nn.Module) -> dict[str, float]:
        was_training = backbone.training
        backbone.eval()
        found = verify(pair_scores(embed(backbone, images, rows, flip=True, device=device), pairs), same, fold, fars=[])
        backbone.train(was_training)
        metrics = found.metrics()
        return {name: float(metrics[name] or 0.0) for name in ("accuracy", "eer", "auc")}

    return validate

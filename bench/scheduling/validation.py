"""Scores on validation identities: the only thing checkpoints and searches may look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from bench.data.packed import PackedImages
from bench.data.types import Bool, Int
from bench.evaluation.embed import embed, pair_scores
from bench.evaluation.verification import verify
from bench.suite.seeds import seed_for


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


def make_validation(
    images: PackedImages, rows: Int, config: dict[str, Any], device: torch.device
) -> Callable[[torch.nn.Module], dict[str, float]]:
    """A function that scores a backbone on the held-out identities (accuracy, EER, AUC), without touching any draw."""
    block = config["validation"]
    pairs, same, fold = validation_pairs(images.labels[rows], block["pairs"], block["seed"])

    def validate(backbone: torch.nn.Module) -> dict[str, float]:
        was_training = backbone.training
        backbone.eval()
        found = verify(pair_scores(embed(backbone, images, rows, flip=True, device=device), pairs), same, fold, fars=[])
        backbone.train(was_training)
        metrics = found.metrics()
        return {name: float(metrics[name] or 0.0) for name in ("accuracy", "eer", "auc")}

    return validate

"""Optimisers and learning-rate schedules; the rate is a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch


def learning_rate(recipe: dict[str, Any], step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step (from 0): linear warm-up, then the schedule over the remaining steps."""
    base = float(recipe["optimiser"]["lr"])
    schedule = recipe["schedule"]
    warmup = round(float(recipe["warmup_epochs"]) * steps_per_epoch)
    if step < warmup:
        return base * (step + 1) / float(warmup)
    done = (step - warmup) / max(1, recipe["epochs"] * steps_per_epoch - warmup)
    match schedule["name"]:
        case "cosine":
            final = float(schedule["final"])
            return base * (final + (1 - final) * (1 + math.cos(math.pi * done)) / 2)
        case "polynomial":
            return base * float((1 - done) ** float(schedule["power"]))
        case "step":
            drops = sum(step >= epoch * steps_per_epoch for epoch in schedule["epochs"])
            return base * float(float(schedule["factor"]) ** drops)
        case "constant":
            return base
        case name:
            raise ValueError(f"no schedule is called {name!r}")


def strength_at(config: dict[str, Any], step: int, steps_per_epoch: int) -> float:
    """λ of a run at a step (from 0) of the whole training."""
    term = config["enhancement"]
    if term is None:
        return 0.0
    epochs = config["recipe"]["epochs"]
    return float(term["strength"]) * strength_share(term["schedule"], step, steps_per_epoch, epochs)


def strength_share(schedule: dict[str, Any], step: int, steps_per_epoch: int, epochs: int) -> float:
    """Which share of λ acts at a step (from 0)."""
    match schedule["name"]:
        case "constant":
            return 1.0
        case "linear":
            return min(1.0, (step + 1) / (float(schedule["epochs"]) * steps_per_epoch))
        case "cosine":
            first, last = float(schedule["first"]), float(schedule["last"])
            done = step / max(1, epochs * steps_per_epoch - 1)
            return first + (last - first) * (1 - math.cos(math.pi * done)) / 2
        case "after_epoch":
            return float(step >= int(schedule["epoch"]) * steps_per_epoch)
        case name:
            raise ValueError(f"no schedule is called {name!r}")


def make_optimiser(recipe: dict[str, Any], parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    options = recipe["optimiser"]
    if options["name"] == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=options["lr"],
            momentum=options["momentum"],
            nesterov=options["nesterov"],
            weight_decay=options["weight_decay"],
        )
    return torch.optim.AdamW(
        parameters,
        lr=options["lr"],
        betas=(options["beta1"], options["beta2"]),
        weight_decay=options["weight_decay"],
    )

"""How long a run will take and how much of a GPU, from its configuration and from finished runs like it.

Only the order of runs and what goes side by side depend on it, never a result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.catalog import BACKBONES
from bench.records import digest
from bench.scheduling.plan import SEMANTICS

UNSTATED_MACS = 500e6
"""Multiply-adds of an image of 112 pixels in a backbone whose catalog entry states none: between small and large."""

SECONDS_PER_MAC = 1e-11
"""Of an image that is trained on, where no finished run tells: some ten thousand million multiply-adds a second,
forwards and backwards, on one CPU core."""

_OF_TIME_ALONE = ("epochs", "schedule", "warmup_epochs", "threads", "clip_gradient", "optimiser")


@dataclass(frozen=True)
class Measured:
    """What finished runs took, by what they were like.

    ``speed``: images a second, by ``speed_of``; ``peaks``: bytes of a GPU, by ``shape_of``; ``seconds_per_mac``: of one
    multiply-add of ``cost_of``, over all of them.
    """

    speed: Mapping[str, float] = field(default_factory=dict)
    peaks: Mapping[str, int] = field(default_factory=dict)
    seconds_per_mac: float = SECONDS_PER_MAC


def shape_of(config: Mapping[str, Any]) -> str:
    """Digest of all in a run's configuration that its memory may depend on.

    What is not known to leave it alone counts: seed, rates, how long it trains, and numbers with a fraction in the loss
    (scales, margins, weights) do not.
    """
    recipe, term = config["recipe"], config["enhancement"]
    counted = {key: value for key, value in config.items() if key not in ("seed", "semantics")}
    counted |= {
        "margin": _sizes(config["margin"]),
        "terms": [_sizes(added) for added in config["terms"]],
        "enhancement": term and [_sizes(term["gate"]), _sizes(term["profile"]), term["schedule"]["name"]],
        "recipe": {key: value for key, value in recipe.items() if key not in _OF_TIME_ALONE},
        "optimiser": [recipe["optimiser"]["name"], recipe["optimiser"].get("momentum") == 0],
        "train": config["train"]["identities"],
    }
    return digest(counted)


def _sizes(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if not isinstance(value, float)}


def speed_of(config: Mapping[str, Any]) -> str:
    """Digest of all that the images a second depend on, the machine aside."""
    return f"{shape_of(config)} {config['recipe']['threads']}"


def images_of(config: Mapping[str, Any]) -> float:
    """How many images a training sees, each as often as it comes."""
    held_out = config["validation"]["identities"] if config["validation"] else 0.0
    return float(config["train"]["images"] * (1.0 - held_out) * config["recipe"]["epochs"])


def cost_of(config: Mapping[str, Any]) -> float:
    """Multiply-adds of a training's forward passes, as far as the catalog states the backbone's."""
    macs = float(BACKBONES.get(config["backbone"]["name"]).traits.get("macs") or UNSTATED_MACS)
    return images_of(config) * macs * (int(config["pixels"]) / 112) ** 2


def expected_seconds(config: Mapping[str, Any], measured: Measured) -> float:
    """Of training a run: by the speed of runs like it, else by its cost."""
    speed = measured.speed.get(speed_of(config))
    return images_of(config) / speed if speed else cost_of(config) * measured.seconds_per_mac


def measure(results: Iterable[Mapping[str, Any]]) -> Measured:
    """What results (as ``result.json`` holds them) say: median speeds and the largest peaks.

    Those of another semantics version, whose configurations have other fields, and of parts that are not installed
    here are passed over.
    """
    speeds: dict[str, list[float]] = defaultdict(list)
    peaks: dict[str, int] = {}
    per_mac = []
    for result in results:
        config, metrics = result["config"], result["metrics"]
        if config["semantics"] != SEMANTICS or config["backbone"]["name"] not in BACKBONES:
            continue
        if metrics["images_per_second"] > 0:
            speeds[speed_of(config)].append(metrics["images_per_second"])
            per_mac.append(metrics["train_seconds"] / cost_of(config))
        if "peak_gpu_bytes" in metrics:
            shape = shape_of(config)
            peaks[shape] = max(metrics["peak_gpu_bytes"], peaks.get(shape, 0))
    speed = {key: median(found) for key, found in speeds.items()}
    return Measured(speed, peaks, median(per_mac) if per_mac else SECONDS_PER_MAC)

"""Independent draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import SAMPLERS

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Asked


@SAMPLERS.register(
    "random",
    summary="draws every trial by itself, uniformly",
    source="Bergstra and Bengio 2012; Optuna",
    choices=True,
    conditions=True,
    finite=False,
    objectives="any",
)
def random(asked: Asked) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=asked.draw)

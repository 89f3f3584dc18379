"""A genetic algorithm for several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import SAMPLERS, Option

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Asked


@SAMPLERS.register(
    "nsga2",
    summary="breeds the trials that no other beats in every objective",
    source="Deb et al. 2002; Optuna",
    options=(
        Option("population_size", 16, "trials of a generation; the first is drawn at random", minimum=2),
        Option("mutation_prob", None, "null: 1 / number of fields", kind=float, minimum=0, maximum=1),
        Option("crossover_prob", 0.9, "share of children that have two parents", minimum=0, maximum=1),
        Option("swapping_prob", 0.5, "of each field, that it is the second parent's", minimum=0, maximum=1),
    ),
    choices=True,
    conditions=True,
    finite=False,
    objectives="several",
)
def nsga2(
    asked: Asked, *, population_size: int, mutation_prob: float | None, crossover_prob: float, swapping_prob: float
) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.NSGAIISampler(
        seed=asked.draw,
        population_size=population_size,
        mutation_prob=mutation_prob,
        crossover_prob=crossover_prob,
        swapping_prob=swapping_prob,
    )

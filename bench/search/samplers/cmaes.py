"""Covariance matrix adaptation."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench.catalog import SAMPLERS, Option
from bench.errors import BenchError

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Asked


@SAMPLERS.register(
    "cmaes",
    summary="moves and reshapes a normal distribution from population to population; numbers only",
    source="Hansen 2016; Optuna with the package cmaes",
    options=(
        Option("n_startup_trials", 1, "trials drawn at random first", minimum=0),
        Option("sigma0", None, "first standard deviation, of ranges of length 1; null: a sixth", kind=float, above=0),
        Option("popsize", None, "trials of a population; null: 4 + 3 ln(number of fields)", kind=int, minimum=2),
    ),
    choices=False,
    conditions=False,
    finite=False,
    objectives="one",
)
def cmaes(
    asked: Asked, *, n_startup_trials: int, sigma0: float | None, popsize: int | None
) -> optuna.samplers.BaseSampler:
    import optuna

    if find_spec("cmaes") is None:
        raise BenchError("the sampler cmaes needs the package cmaes: pip install cmaes, or take tpe")
    return optuna.samplers.CmaEsSampler(
        seed=asked.draw,
        n_startup_trials=n_startup_trials,
        sigma0=sigma0,
        popsize=popsize,
        with_margin=any(searched.int or searched.step for searched in asked.fields.values()),
        warn_independent_sampling=False,
    )

"""Tree-structured Parzen estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import SAMPLERS, Option

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Asked


@SAMPLERS.register(
    "tpe",
    summary="models where good trials lie, all fields together; trials that still run count as bad ones",
    source="Bergstra et al. 2011; Optuna",
    options=(
        Option("n_startup_trials", 10, "trials drawn at random first", minimum=0),
        Option("n_ei_candidates", 24, "candidates of which the most promising is tried", minimum=1),
        Option("multivariate", True, "fields are modelled together, not each by itself"),
        Option("constant_liar", True, "a trial that still runs counts as a bad one, so that parallel ones differ"),
    ),
    choices=True,
    conditions=True,
    finite=False,
    objectives="any",
)
def tpe(
    asked: Asked, *, n_startup_trials: int, n_ei_candidates: int, multivariate: bool, constant_liar: bool
) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(
        seed=asked.draw,
        n_startup_trials=n_startup_trials,
        n_ei_candidates=n_ei_candidates,
        multivariate=multivariate,
        group=multivariate and any(searched.when for searched in asked.fields.values()),
        constant_liar=constant_liar,
    )

"""Below the median."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PRUNERS, Option

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Trained


@PRUNERS.register(
    "median",
    summary="gives up what is worse at an epoch than the median of the trials before at that epoch",
    source="Golovin et al. 2017; Optuna",
    options=(Option("n_startup_trials", 5, "trials that must have ended first", minimum=0),),
    over="epochs",
)
def median(trials: Trained, *, n_startup_trials: int) -> optuna.pruners.BasePruner:
    import optuna

    return optuna.pruners.MedianPruner(n_startup_trials=n_startup_trials, n_warmup_steps=trials.warmup)

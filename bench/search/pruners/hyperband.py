"""Successive halving from several first rungs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PRUNERS, Option

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Trained


@PRUNERS.register(
    "hyperband",
    summary="asha in several brackets whose first rungs differ, so that slow starters have a chance",
    source="Li et al. 2018; Optuna",
    options=(Option("reduction_factor", 3, "of so many trials, one passes a rung", minimum=2),),
    over="epochs",
)
def hyperband(trials: Trained, *, reduction_factor: int) -> optuna.pruners.BasePruner:
    """The first rung of the first bracket is the end of the warm-up."""
    import optuna

    return optuna.pruners.HyperbandPruner(
        min_resource=min(max(1, trials.warmup), trials.epochs),
        max_resource=trials.epochs,
        reduction_factor=reduction_factor,
    )

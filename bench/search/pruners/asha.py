"""Successive halving, asynchronously."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PRUNERS, Option

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Trained


@PRUNERS.register(
    "asha",
    summary="lets only the best share of trials pass each rung of epochs, without waiting for the others",
    source="Li et al. 2020; Optuna",
    options=(Option("reduction_factor", 3, "of so many trials, one passes a rung", minimum=2),),
    over="epochs",
)
def asha(trials: Trained, *, reduction_factor: int) -> optuna.pruners.BasePruner:
    """The first rung is the end of the warm-up."""
    import optuna

    return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(1, trials.warmup), reduction_factor=reduction_factor)

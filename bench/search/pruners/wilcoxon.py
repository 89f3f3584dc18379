"""Seed by seed against the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PRUNERS, Option

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Trained


@PRUNERS.register(
    "wilcoxon",
    summary="gives up the seeds that are left of a trial whose first ones lose to the best trial's, paired",
    source="Wilcoxon 1945; Optuna",
    options=(
        Option("p_threshold", 0.1, "p of the signed-rank test below which a trial is given up", above=0, below=1),
        Option("n_startup_steps", 2, "seeds that must have ended first", minimum=1),
    ),
    over="seeds",
)
def wilcoxon(trials: Trained, *, p_threshold: float, n_startup_steps: int) -> optuna.pruners.BasePruner:
    import optuna

    return optuna.pruners.WilcoxonPruner(p_threshold=p_threshold, n_startup_steps=n_startup_steps)

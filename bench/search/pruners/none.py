"""Nothing is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PRUNERS

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Trained


@PRUNERS.register("none", summary="every trial is trained to its end", source="this project", over="")
def none(trials: Trained) -> optuna.pruners.BasePruner:
    import optuna

    return optuna.pruners.NopPruner()

"""Quasi-random sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import SAMPLERS, Option

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Asked


@SAMPLERS.register(
    "qmc",
    summary="a low-discrepancy sequence, which fills ranges more evenly than chance; numbers only",
    source="Bergstra and Bengio 2012; Optuna",
    options=(
        Option("qmc_type", "sobol", "which sequence", choices=("sobol", "halton")),
        Option("scramble", True, "shift the sequence by the seed; else its first point is a corner"),
    ),
    choices=False,
    conditions=False,
    finite=False,
    objectives="any",
)
def qmc(asked: Asked, *, qmc_type: str, scramble: bool) -> optuna.samplers.BaseSampler:
    """Always by the suite's seed: the storage knows how far the sequence has come."""
    import optuna

    return optuna.samplers.QMCSampler(
        seed=asked.seed,
        qmc_type=qmc_type,
        scramble=scramble,
        warn_independent_sampling=False,
        warn_asynchronous_seeding=False,
    )

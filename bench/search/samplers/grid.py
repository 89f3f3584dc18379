"""Every configuration once, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import SAMPLERS

if TYPE_CHECKING:
    import optuna

    from bench.search.asked import Asked


@SAMPLERS.register(
    "grid",
    summary="every configuration once, the last field moving fastest; one that fails is not tried again",
    source="this project",
    choices=True,
    conditions=True,
    finite=True,
    objectives="any",
)
def grid(asked: Asked) -> optuna.samplers.BaseSampler:
    """The points are enqueued one by one (see ``Proposals``), so nothing is left to draw."""
    import optuna

    return optuna.samplers.RandomSampler(seed=asked.draw)

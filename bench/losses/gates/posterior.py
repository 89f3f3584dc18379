"""Gate ``posterior``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import GATES, Option

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import GateInput


@GATES.register(
    "posterior",
    summary="p^γ: acts where softmax has saturated, the anisotropic region",
    source="this project's own",
    options=(Option("gamma", 1.0, "exponent γ of p; 0 acts everywhere", minimum=0),),
)
def posterior(batch: GateInput, *, gamma: float) -> Tensor:
    """p^γ, (B,). gamma: no unit."""
    assert batch.posterior is not None  # the head refuses this gate for a loss without one
    return batch.posterior.pow(gamma)

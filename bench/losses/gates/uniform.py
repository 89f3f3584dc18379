"""Gate ``uniform``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import GATES

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import GateInput


@GATES.register(
    "uniform",
    summary="1: acts everywhere, the control that shows whether where matters",
    source="this project's own",
)
def uniform(batch: GateInput) -> Tensor:
    """1, (B,)."""
    return batch.theta.new_ones(batch.theta.shape)

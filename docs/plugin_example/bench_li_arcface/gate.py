"""Gate ``beyond``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import GATES, Option

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import GateInput


@GATES.register(
    "beyond",
    summary="1 past a stated angle, else 0: only samples that are far from their centre",
    source="an example",
    options=(Option("limit", 0.5, "the angle", "radians", minimum=0, maximum=math.pi),),
)
def beyond(batch: GateInput, *, limit: float) -> Tensor:
    """1 where θ > limit, else 0, (B,). limit: radians."""
    return (batch.theta > limit).to(batch.theta.dtype)

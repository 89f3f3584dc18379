"""Gate ``satisfied``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import GATES

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import GateInput


@GATES.register(
    "satisfied",
    summary="1 if the target logit exceeds every negative logit, else 0: only samples past the margin",
    source="this project's own",
)
def satisfied(batch: GateInput) -> Tensor:
    """1 where the target logit, margin included, exceeds every negative logit, else 0; 1 with no negative. (B,)"""
    return (batch.target_logit > batch.hardest_negative).to(batch.target_logit.dtype)

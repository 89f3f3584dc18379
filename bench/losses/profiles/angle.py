"""Profile ``angle``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PROFILES

if TYPE_CHECKING:
    from torch import Tensor


@PROFILES.register(
    "angle",
    summary="θ: a constant pull",
    source="as ArcFace's Intra-Loss, arXiv:1801.07698, with gate uniform and strength 1/(πs)",
)
def angle(theta: Tensor, psi: Tensor) -> Tensor:
    """φ = θ. theta: (B,), radians; psi: (B,), the margin's ψ(θ) with the margin's own gradient."""
    return theta

"""Profile ``matched``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PROFILES

if TYPE_CHECKING:
    from torch import Tensor


@PROFILES.register("matched", summary="−ψ(θ): the base margin's own shape, pull |ψ'(θ)|", source="this project's own")
def matched(theta: Tensor, psi: Tensor) -> Tensor:
    """φ = −ψ(θ). theta: (B,), radians; psi: (B,), the margin's ψ(θ) with the margin's own gradient."""
    return -psi

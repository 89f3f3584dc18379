"""Profile ``squared``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PROFILES

if TYPE_CHECKING:
    from torch import Tensor


@PROFILES.register("squared", summary="θ²/2: a pull that grows with the angle", source="this project's own")
def squared(theta: Tensor, psi: Tensor) -> Tensor:
    """φ = θ²/2. theta: (B,), radians; psi: (B,), the margin's ψ(θ) with the margin's own gradient."""
    return theta.square() / 2

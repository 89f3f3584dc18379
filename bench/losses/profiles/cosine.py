"""Profile ``cosine``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import PROFILES

if TYPE_CHECKING:
    from torch import Tensor


@PROFILES.register(
    "cosine",
    summary="1 − cos θ: pull sin θ, which vanishes linearly at the centre",
    source="this project's own; a spherical centre loss with gate uniform",
)
def cosine(theta: Tensor, psi: Tensor) -> Tensor:
    """φ = 1 − cos θ. theta: (B,), radians; psi: (B,), the margin's ψ(θ) with the margin's own gradient."""
    return 1 - theta.cos()

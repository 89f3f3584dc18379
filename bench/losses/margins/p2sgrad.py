"""P2SGrad: gradients made of cosines where softmax has probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import MARGINS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def positive(psi: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """½(1 − c_y)², (B,)."""
    return (1 - psi).square() / 2


def cost(logits: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """½c_j², (r, n)."""
    return logits.square() / 2


def prefactor() -> float:
    """1: the pull is (1 − c_y) sin θ."""
    return 1.0


@MARGINS.register(
    "p2sgrad",
    summary="½(1 − cos θ)² + ½Σ_{j≠y} cos² θ_j: no scale, no margin, no softmax",
    source="arXiv:1905.02479, eq. 11",
    angular=False,
    logits="cosine",
    cost=cost,
    positive=positive,
    prefactor=prefactor,
)
def psi(theta: Tensor) -> Tensor:
    """cos θ. theta: (B,), radians. No options, no state, no posterior.

    The paper states a gradient, Σ_j (cos θ_j − 1[j = y])·∇cos θ_j, and no loss; this is the loss that has it, centres
    included. pytorch-metric-learning takes the mean over classes of the squares instead: 2/C of this one.
    """
    return theta.cos()

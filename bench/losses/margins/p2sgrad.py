"""P2SGrad: gradients made of cosines where softmax has probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def positive(psi: Tensor, state: Mapping[str, Tensor], *, weight: float) -> Tensor:
    """weight·½(1 − c_y)², (B,)."""
    return weight / 2 * (1 - psi).square()


def cost(logits: Tensor, state: Mapping[str, Tensor], *, weight: float) -> Tensor:
    """weight·½c_j², (r, n)."""
    return weight / 2 * logits.square()


def prefactor(*, weight: float) -> float:
    """weight: the pull is weight·(1 − c_y)·sin θ."""
    return weight


@MARGINS.register(
    "p2sgrad",
    summary="½(1 − cos θ)² + ½Σ_{j≠y} cos² θ_j: no scale, no margin, no softmax",
    source="arXiv:1905.02479, eq. 11",
    options=(Option("weight", 1.0, "of the whole loss", source="arXiv:1905.02479, which has none", above=0),),
    angular=False,
    logits="cosine",
    cost=cost,
    positive=positive,
    prefactor=prefactor,
)
def psi(theta: Tensor) -> Tensor:
    """cos θ. theta: (B,), radians. No state, no posterior.

    The paper states a gradient, Σ_j (cos θ_j − 1[j = y])·∇cos θ_j, and no loss; this is the loss that has it, centres
    included. pytorch-metric-learning takes the mean over classes of the squares instead: 2/C of this one. The pull is
    at most 2·weight, a small part of that of a softmax with scale: where margins share a learning rate it wants a
    larger weight, and it learns more slowly even so.
    """
    return theta.cos()

"""Plain softmax: the reference row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import MARGINS

if TYPE_CHECKING:
    from torch import Tensor


@MARGINS.register(
    "softmax",
    summary="plain inner product with learned norms, no bias, no margin",
    source="reference row",
    angular=False,
    logits="inner",
)
def psi(theta: Tensor) -> Tensor:
    """cos θ, which the head multiplies by ‖x‖‖W_y‖. theta: (B,), radians."""
    return theta.cos()

"""CosFace (AM-Softmax): an additive margin on the cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import scale

if TYPE_CHECKING:
    from torch import Tensor


@MARGINS.register(
    "cosface",
    summary="cos θ − m",
    source="arXiv:1801.09414, eq. 4; AM-Softmax, arXiv:1801.05599",
    options=(
        scale(64.0, "arXiv:1801.09414"),
        Option("m", 0.35, "margin on the cosine", source="arXiv:1801.09414", minimum=0, maximum=1),
    ),
    angular=False,
    logits="cosine",
)
def psi(theta: Tensor, *, m: float | Tensor) -> Tensor:
    """cos θ − m. theta: (B,), radians; m: a cosine, no unit, one for all or (B,)."""
    return theta.cos() - m

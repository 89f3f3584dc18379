"""NormFace: scaled cosine softmax without a margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import MARGINS
from bench.losses.margins._options import scale

if TYPE_CHECKING:
    from torch import Tensor


@MARGINS.register(
    "normface",
    summary="cos θ, no margin",
    source="arXiv:1704.06369",
    options=(scale(64.0, "the scale of CosFace and ArcFace, so that rows compare; the paper learns or fixes its own"),),
    angular=False,
    logits="cosine",
)
def psi(theta: Tensor) -> Tensor:
    """cos θ. theta: (B,), radians."""
    return theta.cos()

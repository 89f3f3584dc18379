"""ArcFace: an additive angular margin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import fallback, margin_gradient, scale

if TYPE_CHECKING:
    from torch import Tensor


@MARGINS.register(
    "arcface",
    summary="cos(θ + m)",
    source="arXiv:1801.07698, eq. 3",
    options=(
        scale(64.0, "arXiv:1801.07698"),
        Option("m", 0.5, "margin on the angle", "radians", source="arXiv:1801.07698", minimum=0, maximum=math.pi / 2),
        margin_gradient,
        fallback,
    ),
    angular=True,
    logits="cosine",
)
def psi(theta: Tensor, *, m: float | Tensor, fallback: str) -> Tensor:
    """cos(θ + m) while θ + m ≤ π. theta: (B,), m: one for all or (B,), radians.

    Past that, where the paper is silent and the cosine would rise again: cos θ − (1 − cos m), which continues without a
    jump, or with ``legacy`` cos θ − m·sin m. Both are non-increasing only for m ≤ π/2.
    """
    cosine, sine = (math.cos(m), math.sin(m)) if isinstance(m, float) else (m.cos(), m.sin())
    drop = 1 - cosine if fallback == "monotone" else m * sine
    return (theta + m).cos().where(theta + m <= math.pi, theta.cos() - drop)

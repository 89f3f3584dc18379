"""Li-ArcFace: logits that fall linearly with the angle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import Target


def negative(cosines: Tensor, target: Target) -> Tensor:
    """The other classes' logits are linear too: 1 − 2θ_j/π, (r, n), no unit."""
    from bench.losses.angles import safe_angle

    return 1 - 2 * safe_angle(cosines) / math.pi


@MARGINS.register(
    "li_arcface",
    summary="1 − 2(θ + m)/π; the other classes' cosine becomes 1 − 2θ_j/π",
    source="arXiv:1907.12256",
    options=(
        Option("s", 64.0, "scale of the logits", source="public re-implementations", above=0),
        Option(
            "m",
            0.45,
            "margin on the angle",
            "radians",
            source="public re-implementations, from .40 to .45",
            minimum=0,
            maximum=math.pi / 2,
        ),
        Option(
            "margin_gradient",
            "true",
            "true: back-propagate through ψ; straight_through: the gradient of cos θ",
            choices=("true", "straight_through"),
        ),
    ),
    angular=True,
    logits="cosine",
    negative=negative,
)
def psi(theta: Tensor, *, m: float) -> Tensor:
    """1 − 2(θ + m)/π = (π − 2(θ + m))/π. theta: (B,), m: radians. No state.

    Its slope is −2/π at every angle, so it needs no fall-back past θ + m = π.
    """
    return 1 - 2 * (theta + m) / math.pi

"""SphereFace-R: multiplicative margins without an extension past π."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient, scale

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import Target


@MARGINS.register(
    "sphereface_r_v1",
    summary="cos(min(mθ, π))",
    source="arXiv:2109.05565, version 1; OpenSphere",
    options=(
        scale(30.0, "OpenSphere"),
        Option("m", 1.5, "factor on the angle", source="OpenSphere", minimum=1),
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
)
def psi(theta: Tensor, *, m: float) -> Tensor:
    """cos(min(mθ, π)). theta: (B,), radians; m: no unit.

    Flat past θ = π/m, where the true gradient pulls no sample.
    """
    return (m * theta).clamp(max=math.pi).cos()


def negative(cosines: Tensor, target: Target, *, m: float, margin_gradient: str) -> Tensor:
    """cos(θ_j/m), (r, n), with the gradient of cos θ_j where that is asked."""
    from bench.losses.angles import safe_angle

    nearer = (safe_angle(cosines) / m).cos()
    return nearer if margin_gradient == "true" else cosines + (nearer - cosines).detach()


@MARGINS.register(
    "sphereface_r_v2",
    summary="cos θ; every other class's cos θ_j becomes cos(θ_j/m)",
    source="arXiv:2109.05565, version 2; OpenSphere",
    options=(
        scale(30.0, "OpenSphere"),
        Option("m", 1.4, "divides the angles to the other classes", source="OpenSphere", minimum=1),
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
    negative=negative,
)
def psi_of_the_second(theta: Tensor) -> Tensor:
    """cos θ. theta: (B,), radians. The margin is on the other classes: each is taken for m times as near.

    With ``straight_through``, as in OpenSphere, they have the gradient of cos θ_j; the own class's is that of cos θ.
    """
    return theta.cos()

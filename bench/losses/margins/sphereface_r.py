"""SphereFace-R: two ways to a multiplicative margin without SphereFace's many slopes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient, negative_gradient, scale

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import Target


def flat(*, m: float) -> float:
    """π/m, radians."""
    return math.pi / m


@MARGINS.register(
    "sphereface_r_v1",
    summary="cos(min(mθ, π)): without pull past θ = π/m",
    source="arXiv:2109.05565, SphereFace-R v1, hard feature normalisation",
    options=(
        scale(30.0, "OpenSphere"),
        Option("m", 1.5, "factor on the angle, any real number", source="OpenSphere", minimum=1),
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
    flat=flat,
)
def psi(theta: Tensor, *, m: float) -> Tensor:
    """cos(min(mθ, π)). theta: (B,), radians; m: no unit.

    Past θ = π/m it is −1 and has no slope: there the target pulls with ``straight_through`` only, which is what the
    authors train with. They also multiply the loss by 50/s, which here is the learning rate's affair.
    """
    return (m * theta).clamp(max=math.pi).cos()


def negative(cosines: Tensor, target: Target, *, m: float, negative_gradient: str) -> Tensor:
    """cos(θ/m) of the angle θ in [0, π] whose cosine is given."""
    from bench.losses.angles import safe_angle

    raised = (safe_angle(cosines) / m).cos()
    return raised if negative_gradient == "true" else cosines + (raised - cosines).detach()


@MARGINS.register(
    "sphereface_r_v2",
    summary="cos θ; every other class's cos θ becomes cos(θ/m)",
    source="arXiv:2109.05565, SphereFace-R v2, hard feature normalisation",
    options=(
        scale(30.0, "OpenSphere's default; its run with v2 has 60"),
        Option("m", 1.4, "divisor of the other classes' angles, any real number", source="OpenSphere", minimum=1),
        negative_gradient,
    ),
    angular=False,
    logits="cosine",
    negative=negative,
)
def other_angles(theta: Tensor) -> Tensor:
    """cos θ: the margin is on the other classes' angles. theta: (B,), radians.

    The authors train with the gradient of cos θ for all classes, that is ``negative_gradient: straight_through``; the
    true gradient, sin(θ/m)/(m sin θ) per unit of cosine, grows without bound towards θ = π, as a slope in θ it is at
    most 1/m. They also multiply the loss by 50/s.
    """
    return theta.cos()

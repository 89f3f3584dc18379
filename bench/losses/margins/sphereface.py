"""SphereFace: a multiplicative angular margin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient, scale

if TYPE_CHECKING:
    from torch import Tensor


@MARGINS.register(
    "sphereface",
    summary="cos(mθ), continued monotonically",
    source="arXiv:1704.08063, eq. 7; real m and s without annealing as in OpenSphere",
    options=(
        scale(30.0, "OpenSphere"),
        Option("m", 1.7, "factor on the angle, any real number", source="OpenSphere", minimum=1),
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
)
def psi(theta: Tensor, *, m: float) -> Tensor:
    """(−1)^k cos(mθ) − 2k with k = floor(mθ/π). theta: (B,), radians; m: no unit.

    Differs from the paper: m may be any real number, the logit is scaled by s in place of ‖x‖, and nothing is annealed.
    """
    k = (m * theta / math.pi).floor()
    return (1 - 2 * k.remainder(2)) * (m * theta).cos() - 2 * k

"""Combined margin: multiplicative, additive angular and additive cosine at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient, scale
from bench.losses.margins.sphereface import psi as sphereface

if TYPE_CHECKING:
    from torch import Tensor

paper = "arXiv:1801.07698, CM1"


@MARGINS.register(
    "combined",
    summary="cos(m1·θ + m2) − m3, continued monotonically",
    source="arXiv:1801.07698, eq. 4",
    options=(
        scale(64.0, "arXiv:1801.07698"),
        Option("m1", 1.0, "factor on the angle", source=paper, above=0),
        Option("m2", 0.3, "margin on the angle", "radians", source=paper, minimum=0, maximum=math.pi / 2),
        Option("m3", 0.2, "margin on the cosine", source=paper, minimum=0, maximum=1),
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
)
def psi(theta: Tensor, *, m1: float, m2: float, m3: float) -> Tensor:
    """cos(m1·θ + m2) − m3 while m1·θ + m2 ≤ π. theta: (B,), m2: radians; m1, m3: no unit.

    Past that, where the paper is silent: SphereFace's extension of cos(m1·θ), less 1 − cos m2 and m3, which continues
    without a jump. So m1 = 1 and m3 = 0 is ArcFace with its monotone continuation, m1 = 1 and m2 = 0 CosFace,
    m2 = m3 = 0 SphereFace. Below m1 = 1 ψ may exceed cos θ at large angles. Unlike InsightFace's class, which drops m1
    and m2 where m3 > 0, all three always act.
    """
    inside = m1 * theta + m2
    return inside.cos().where(inside <= math.pi, sphereface(theta, m=m1) - (1 - math.cos(m2))) - m3

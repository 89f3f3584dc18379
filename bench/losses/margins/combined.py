"""The combined margin: SphereFace's, ArcFace's and CosFace's in one formula."""

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
        Option("m1", 1.0, "factor on the angle; CM2 of the paper has .9", source=paper, above=0),
        Option("m2", 0.3, "margin on the angle; CM2 has .4", "radians", source=paper, minimum=0, maximum=math.pi / 2),
        Option("m3", 0.2, "margin on the cosine; CM2 has .15", source=paper, minimum=0, maximum=1),
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
)
def psi(theta: Tensor, *, m1: float, m2: float, m3: float) -> Tensor:
    """cos(m1·θ + m2) − m3 while m1·θ + m2 ≤ π. theta: (B,), m2: radians; m1: no unit; m3: a cosine.

    Past that, where the paper is silent and the cosine would rise again: S(m1·θ) − (1 − cos m2) − m3, S being
    SphereFace's monotone cosine. It starts from −1 − m3 without a jump, and is ArcFace's ``monotone`` with m1 = 1 and
    m3 = 0, SphereFace with m2 = m3 = 0, CosFace with m1 = 1 and m2 = 0.

    InsightFace's torch class differs: it drops m1 and m2 where m3 > 0, and its logit rises again past π.
    """
    angle = m1 * theta + m2
    beyond = sphereface(theta, m=m1) - (1 - math.cos(m2))
    return angle.cos().where(angle <= math.pi, beyond) - m3

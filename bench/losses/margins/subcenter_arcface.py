"""Sub-center ArcFace: several centres a class, of which each sample counts the nearest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import fallback, margin_gradient, scale
from bench.losses.margins.arcface import psi as arcface

if TYPE_CHECKING:
    from torch import Tensor


@MARGINS.register(
    "subcenter_arcface",
    summary="cos(θ + m), θ to the nearest of a class's K centres",
    source="Sub-center ArcFace, ECCV 2020",
    options=(
        scale(64.0, "ECCV 2020"),
        Option("m", 0.5, "margin on the angle", "radians", source="ECCV 2020", minimum=0, maximum=math.pi / 2),
        Option("k", 3, "centres a class, K; 1 is ArcFace", source="ECCV 2020", minimum=1),
        margin_gradient,
        fallback,
    ),
    angular=True,
    logits="cosine",
    subcentres="k",
)
def psi(theta: Tensor, *, m: float, fallback: str) -> Tensor:
    """ArcFace's. theta: (B,), m: radians. No state beside the centres.

    The other classes count by their nearest centre as well. The paper's second stage, which drops all but each class's
    dominant centre and every sample more than 75° from it, then trains anew, is not part of the loss and left out.
    """
    return arcface(theta, m=m, fallback=fallback)

"""MV-Softmax: the classes that a sample is mistaken for weigh more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import fallback, margin_gradient, scale
from bench.losses.margins.arcface import psi as arcface
from bench.losses.margins.cosface import psi as cosface

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import Target

paper = "arXiv:1912.00833"
weight = Option("weight", 1.12, "w of the classes a sample is mistaken for", source="the authors' code", minimum=1)
form = Option(
    "form",
    "adaptive",
    "adaptive: their cosine c becomes w·c + w − 1; fixed: c + (w − 1)",
    source=paper,
    choices=("adaptive", "fixed"),
)


def negative(cosines: Tensor, target: Target, *, weight: float, form: str) -> Tensor:
    """Of a class with c > ψ(θ_y): w·c + w − 1, or c + w − 1, (r, n); the others as they are."""
    harder = (weight * cosines if form == "adaptive" else cosines) + (weight - 1)
    return harder.where(cosines > target.psi, cosines)


@MARGINS.register(
    "mv_softmax_arc",
    summary="ArcFace; a class nearer than cos(θ + m) has its cosine c raised to w·c + w − 1",
    source="arXiv:1912.00833, eq. 8 to 10",
    options=(
        scale(32.0, paper),
        Option("m", 0.5, "margin on the angle", "radians", source=paper, minimum=0, maximum=math.pi / 2),
        weight,
        form,
        margin_gradient,
        fallback,
    ),
    angular=True,
    logits="cosine",
    negative=negative,
)
def arc(theta: Tensor, *, m: float, fallback: str) -> Tensor:
    """ArcFace's ψ. theta: (B,), m: radians. A class counts as mistaken where its cosine exceeds ψ(θ_y)."""
    return arcface(theta, m=m, fallback=fallback)


@MARGINS.register(
    "mv_softmax_am",
    summary="CosFace; a class nearer than cos θ − m has its cosine c raised to w·c + w − 1",
    source="arXiv:1912.00833, eq. 8 to 10",
    options=(
        scale(32.0, paper),
        Option("m", 0.35, "margin on the cosine", source=paper, minimum=0, maximum=1),
        weight,
        form,
    ),
    angular=False,
    logits="cosine",
    negative=negative,
)
def am(theta: Tensor, *, m: float) -> Tensor:
    """CosFace's ψ. theta: (B,), radians; m: a cosine. A class counts as mistaken where its cosine exceeds ψ(θ_y)."""
    return cosface(theta, m=m)

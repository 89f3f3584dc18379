"""MV-Softmax: ArcFace or CosFace whose hard negatives count as nearer than they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient, scale
from bench.losses.margins.arcface import psi as arcface
from bench.losses.margins.cosface import psi as cosface

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import Target

paper = "arXiv:1912.00833"
shared = (
    Option(
        "w", 1.12, "weight of a hard negative, 1 + the paper's t", source="FaceX-Zoo; the authors' code 1.2", minimum=1
    ),
    Option(
        "weighting",
        "adaptive",
        "adaptive: a hard negative's cosine c becomes w·c + w − 1, so that near ones rise more; fixed: c + w − 1",
        source=paper,
        choices=("adaptive", "fixed"),
        named=True,
    ),
)


def negative(cosines: Tensor, target: Target, *, w: float, weighting: str) -> Tensor:
    """w·c + w − 1, or c + w − 1 if fixed, where c > ψ(θ_y), else c.

    The paper multiplies the exponential instead, by h = exp(s·t·(c + 1)) or exp(s·t) with t = w − 1: the same.
    """
    raised = cosines * w if weighting == "adaptive" else cosines
    return (raised + (w - 1)).where(cosines > target.psi, cosines)


@MARGINS.register(
    "mv_softmax_arc",
    summary="cos(θ + m); a harder negative's cosine c becomes w·c + w − 1",
    source=f"{paper}, MV-Arc-Softmax",
    options=(
        scale(32.0, "the authors' code"),
        Option("m", 0.5, "margin on the angle", "radians", source="ArcFace's", minimum=0, maximum=math.pi / 2),
        *shared,
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
    negative=negative,
)
def arc(theta: Tensor, *, m: float) -> Tensor:
    """ArcFace's, monotone past π. theta: (B,), m: radians.

    The authors' code by default drops the margin where cos θ ≤ 0 ("easy margin"), which lets the logit jump: not here.
    """
    return arcface(theta, m=m, fallback="monotone")


@MARGINS.register(
    "mv_softmax_am",
    summary="cos θ − m; a harder negative's cosine c becomes w·c + w − 1",
    source=f"{paper}, MV-AM-Softmax",
    options=(
        scale(32.0, "the authors' code"),
        Option("m", 0.35, "margin on the cosine", source="the authors' code", minimum=0, maximum=1),
        *shared,
    ),
    angular=False,
    logits="cosine",
    negative=negative,
)
def am(theta: Tensor, *, m: float) -> Tensor:
    """CosFace's. theta: (B,), radians; m: a cosine. Here too without the authors' easy margin."""
    return cosface(theta, m=m)

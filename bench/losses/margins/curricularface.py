"""CurricularFace: ArcFace whose hard negatives weigh more as training goes on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import fallback, margin_gradient, scale
from bench.losses.margins.arcface import psi as arcface

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import MarginInput, Target


def start() -> dict[str, Tensor]:
    """t = 0, as the authors start it."""
    from torch import zeros

    return {"t": zeros(())}


def update(batch: MarginInput, *, rate: float) -> None:
    """t follows the batch's mean cos θ_y, eq. 7, before the batch's loss is computed, as in the authors' code."""
    t = batch.state["t"]
    t.lerp_(batch.cosine.mean().to(t.dtype), rate)


def negative(cosines: Tensor, target: Target) -> Tensor:
    """c·(t + c) where c > ψ(θ_y), else c: eq. 5 and 6."""
    return (cosines * (target.state["t"] + cosines)).where(cosines > target.psi, cosines)


@MARGINS.register(
    "curricularface",
    summary="cos(θ + m); a harder negative's cosine c becomes c·(t + c)",
    source="arXiv:2004.00288, eq. 5 to 9",
    options=(
        scale(64.0, "arXiv:2004.00288"),
        Option("m", 0.5, "margin on the angle", "radians", source="arXiv:2004.00288", minimum=0, maximum=math.pi / 2),
        Option("rate", 0.01, "of t's moving average", source="the authors' code; TFace .1", above=0, maximum=1),
        margin_gradient,
        fallback,
    ),
    angular=True,
    logits="cosine",
    start=start,
    update=update,
    negative=negative,
)
def psi(theta: Tensor, *, m: float, fallback: str) -> Tensor:
    """ArcFace's. theta: (B,), m: radians. State: t, (), the moving average of cos θ_y."""
    return arcface(theta, m=m, fallback=fallback)

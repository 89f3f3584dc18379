"""AdaCos: cosine softmax without a margin, whose scale follows the training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import LogSumExp, MarginInput

least, most = math.sqrt(2) * math.log(2), 1000.0


def start(*, classes: int) -> dict[str, Tensor]:
    """s = √2·log(C − 1); for fewer than three classes, where that is no scale, as for three."""
    from torch import tensor

    return {"s": tensor(math.sqrt(2) * math.log(max(classes - 1, 2)))}


def update(batch: MarginInput, *, log_sum_exp: LogSumExp, dynamic: bool) -> None:
    """s = log(B_avg)/cos(min(π/4, θ_med)) before the batch's loss, held in [√2·log 2, 1000].

    B_avg is the mean of Σ_{j≠y} e^{s·cos θ_j} at the s before, θ_med the median of θ_y: of an even number the lower.
    """
    from bench.losses.angles import safe_angle

    if not dynamic:
        return
    s = batch.state["s"]
    others = log_sum_exp(s)
    median = safe_angle(batch.cosine).median().clamp(max=math.pi / 4)
    s.copy_(((others.logsumexp(0) - math.log(len(others))) / median.cos()).clamp(least, most))


@MARGINS.register(
    "adacos",
    summary="cos θ, no margin; s adapts to the training, or is fixed by the number of classes",
    source="arXiv:1905.00292, section 4",
    options=(Option("dynamic", True, "whether s follows the training; if not, s = √2·log(C − 1) throughout"),),
    angular=False,
    logits="cosine",
    start=start,
    update=update,
    scale="s",
)
def psi(theta: Tensor) -> Tensor:
    """cos θ. theta: (B,), radians. State: the scale ``s``, ().

    Differs from the paper in the bounds of s. √2·log 2 is the s of three classes: with one or two the formula gives −∞
    or 0. 1000 ends a runaway: where other classes lie nearer than π/4 and θ_med, as many classes in few dimensions do,
    the formula feeds on its own s and grows without end. Copies that circulate take the median over the angles to all
    classes, and add a margin; the paper does neither.
    """
    return theta.cos()

"""SphereFace as it was published: m = 4, ‖x‖ for a scale, and a margin that comes in slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient
from bench.losses.margins.sphereface import psi as sphereface

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import MarginInput

code = "the authors' code"


def values(batch: MarginInput, *, least: float, most: float, decay: float) -> dict[str, Tensor]:
    """β of the step, (B,), the same for all: a function of the step alone, so no state is kept."""
    from torch import full_like

    beta = max(least, most / (1 + decay * batch.moment.number))
    return {"beta": full_like(batch.cosine, beta)}


@MARGINS.register(
    "sphereface_annealed",
    summary="cos θ + (cos(mθ) − cos θ)/(1 + β), times ‖x‖; β falls with the steps",
    source="arXiv:1704.08063, eq. 7 and appendix; the authors' code",
    options=(
        Option("m", 4.0, "factor on the angle, any real number", source="arXiv:1704.08063", minimum=1),
        Option("least", 5.0, "β at the end", source=code, minimum=0),
        Option("most", 1000.0, "β at step 0", source=code, minimum=0),
        Option("decay", 0.12, "β = most/(1 + decay·step)", "per step", source=code, minimum=0),
        margin_gradient,
    ),
    angular=True,
    logits="norm",
    values=values,
)
def psi(theta: Tensor, *, m: float, beta: Tensor) -> Tensor:
    """cos θ + (ψ_m(θ) − cos θ)/(1 + β), ψ_m SphereFace's. theta: (B,), radians; m, beta: no unit.

    Logits are ‖x‖·ψ and ‖x‖·cos θ_j, without s. β = max(least, most/(1 + decay·step)) never reaches 0 with the authors'
    numbers: a sixth of the margin is what acts in the end.
    """
    cosine = theta.cos()
    return cosine + (sphereface(theta, m=m) - cosine) / (1 + beta)

"""SphereFace as its authors train it: a whole factor on the angle, annealed, with logits that keep ‖x‖."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient
from bench.losses.margins.sphereface import psi as sphereface

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import MarginInput


def values(batch: MarginInput, *, beta_start: float, beta_decay: float, beta_least: float) -> dict[str, Tensor]:
    """β = max(least, start / (1 + decay·step)), the same for every sample. It follows from the step alone."""
    from torch import full_like

    beta = max(beta_least, beta_start / (1 + beta_decay * batch.moment.number))
    return {"beta": full_like(batch.cosine, beta)}


@MARGINS.register(
    "sphereface_annealed",
    summary="‖x‖·cos(mθ), continued monotonically and annealed from cos θ",
    source="arXiv:1704.08063, eq. 7 and appendix; the original, unlike sphereface",
    options=(
        Option("m", 4.0, "factor on the angle, whole in the paper", source="arXiv:1704.08063", minimum=1),
        Option("beta_start", 1000.0, "weight of cos θ at step 0", source="the authors' code", minimum=0),
        Option("beta_decay", 0.12, "of that weight, per training step", source="the authors' code", minimum=0),
        Option("beta_least", 5.0, "weight of cos θ that remains", source="the authors' code", minimum=0),
        margin_gradient,
    ),
    angular=True,
    logits="norm",
    values=values,
)
def psi(theta: Tensor, *, m: float, beta: Tensor) -> Tensor:
    """cos θ + (ψ − cos θ)/(1 + β), ψ as in ``sphereface``. theta: (B,), radians; m: no unit; beta: (B,).

    The authors' code counts the first step as 1, here it is 0, and it divides the target's gradient by the length of
    its two coefficients ("normalised gradient"), which is not done here. It has no state: β follows from the step,
    so a resumed run goes on where it stopped; without a step the loss is refused.
    """
    plain = theta.cos()
    return plain + (sphereface(theta, m=m) - plain) / (1 + beta)

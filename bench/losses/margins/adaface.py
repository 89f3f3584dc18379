"""AdaFace: a margin that is angular for long embeddings, additive for short ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient, scale

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import MarginInput

shortest, longest = 1e-3, 100.0
epsilon = 1e-3


def start() -> dict[str, Tensor]:
    """μ = 20 and σ = 100, as the authors start them, whatever the norms of the backbone."""
    from torch import tensor

    return {"mean": tensor(20.0), "std": tensor(100.0)}


def _norm(batch: MarginInput) -> Tensor:
    return batch.norm.detach().clamp(shortest, longest)


def update(batch: MarginInput, *, rate: float) -> None:
    """μ and σ follow the batch's norms before its loss. σ is that of n − 1; one sample alone leaves it as it is."""
    norm, mean, std = _norm(batch), batch.state["mean"], batch.state["std"]
    mean.lerp_(norm.mean().to(mean.dtype), rate)
    if len(norm) > 1:
        std.lerp_(norm.std().to(std.dtype), rate)


def values(batch: MarginInput, *, h: float) -> dict[str, Tensor]:
    """z = clip(h·(‖x‖ − μ)/(σ + ε), −1, 1), (B,), no unit, without gradient."""
    z = h * (_norm(batch) - batch.state["mean"]) / (batch.state["std"] + epsilon)
    return {"z": z.clamp(-1, 1)}


@MARGINS.register(
    "adaface",
    summary="cos(θ − m·z) − (m + m·z), z the standing of ‖x‖ among the batch's norms",
    source="arXiv:2204.00964; the authors' code",
    options=(
        scale(64.0, "arXiv:2204.00964"),
        Option("m", 0.4, "margin, angular and additive", "radians, a cosine", source="arXiv:2204.00964", minimum=0),
        Option("h", 0.333, "concentration: how far z reaches; 0 is CosFace", source="arXiv:2204.00964", minimum=0),
        Option("rate", 0.01, "of the moving averages of μ and σ", source="arXiv:2204.00964", above=0, maximum=1),
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
    start=start,
    update=update,
    values=values,
)
def psi(theta: Tensor, *, m: float, z: Tensor) -> Tensor:
    """cos(clip(θ − m·z, ε, π − ε)) − (m + m·z), ε = 1e-3. theta: (B,), radians; z: (B,), no unit.

    State: ``mean`` μ and ``std`` σ, () each, moving averages over the batches' norms. These are held in [1e-3, 100] as
    in the authors' code. Where θ − m·z leaves (ε, π − ε) ψ is flat and its true gradient none; without that it would
    push θ < m·z away from its centre. Differs from the authors' code, which holds every cosine 1e-3 inside ±1 as well,
    so that no angle below .045 rad is pulled, and whose σ is NaN ever after a batch of one sample.
    """
    shifted = theta - m * z
    inside = (shifted > epsilon) & (shifted < math.pi - epsilon)
    held = shifted.where(inside, shifted.detach().clamp(epsilon, math.pi - epsilon))
    return held.cos() - (m + m * z)

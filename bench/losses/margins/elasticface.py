"""ElasticFace: a margin that is drawn anew for every sample, from a normal distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import fallback, margin_gradient, scale
from bench.losses.margins.arcface import psi as arcface
from bench.losses.margins.cosface import psi as cosface

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import MarginInput

paper = "arXiv:2109.09416"
angle = Option("m", 0.5, "mean margin on the angle", "radians", source=paper, minimum=0, maximum=math.pi / 2)
cosine = Option("m", 0.35, "mean margin on the cosine", source=paper, minimum=0, maximum=1)
as_released = Option(
    "as_released",
    False,
    "give out the sorted margins by the sorting's order, not its inverse, as the authors' code does: in effect at random",
    renames=True,
)


def spread(default: float, unit: str = "") -> Option:
    return Option("sigma", default, "standard deviation of the margin", unit, source=paper, minimum=0)


def _drawn(batch: MarginInput, m: float, sigma: float, most: float) -> Tensor:
    """Margins ~ N(m, σ²) of the step's own stream, (B,), held in [0, most] so that ψ stays a margin."""
    from torch import empty

    draw = empty(len(batch.labels)).normal_(m, sigma, generator=batch.moment.generator("elastic margin"))
    return draw.clamp_(0, most).to(batch.cosine.device, batch.cosine.dtype, non_blocking=True)


def _given_out(margins: Tensor, batch: MarginInput, as_released: bool) -> Tensor:
    """The largest margin to the sample with the smallest cosine to its centre, and so on."""
    rising, nearest_first = margins.sort().values, batch.cosine.argsort(descending=True, stable=True)
    if as_released:
        return rising[nearest_first]
    return rising.new_empty(len(rising)).scatter_(0, nearest_first, rising)


def arc_values(batch: MarginInput, *, m: float, sigma: float) -> dict[str, Tensor]:
    return {"m": _drawn(batch, m, sigma, math.pi / 2)}


def cos_values(batch: MarginInput, *, m: float, sigma: float) -> dict[str, Tensor]:
    return {"m": _drawn(batch, m, sigma, 1.0)}


def arc_plus_values(batch: MarginInput, *, m: float, sigma: float, as_released: bool) -> dict[str, Tensor]:
    return {"m": _given_out(_drawn(batch, m, sigma, math.pi / 2), batch, as_released)}


def cos_plus_values(batch: MarginInput, *, m: float, sigma: float, as_released: bool) -> dict[str, Tensor]:
    return {"m": _given_out(_drawn(batch, m, sigma, 1.0), batch, as_released)}


@MARGINS.register(
    "elasticface_arc",
    summary="cos(θ + m), m ~ N(m, σ) for every sample",
    source="arXiv:2109.09416, eq. 6",
    options=(scale(64.0, paper), angle, spread(0.05, "radians"), margin_gradient, fallback),
    angular=True,
    logits="cosine",
    values=arc_values,
    draws=True,
)
def arc(theta: Tensor, *, m: Tensor, fallback: str) -> Tensor:
    """ArcFace's ψ with a margin a sample. theta, m: (B,), radians. Draws are held in [0, π/2]."""
    return arcface(theta, m=m, fallback=fallback)


@MARGINS.register(
    "elasticface_cos",
    summary="cos θ − m, m ~ N(m, σ) for every sample",
    source="arXiv:2109.09416, eq. 7",
    options=(scale(64.0, paper), cosine, spread(0.05)),
    angular=False,
    logits="cosine",
    values=cos_values,
    draws=True,
)
def cos(theta: Tensor, *, m: Tensor) -> Tensor:
    """CosFace's ψ with a margin a sample. theta: (B,), radians; m: (B,), a cosine. Draws are held in [0, 1]."""
    return cosface(theta, m=m)


@MARGINS.register(
    "elasticface_arc_plus",
    summary="ElasticFace-Arc, the largest of the batch's margins for the sample farthest from its centre",
    source="arXiv:2109.09416, section 3.3",
    options=(scale(64.0, paper), angle, spread(0.0175, "radians"), margin_gradient, fallback, as_released),
    angular=True,
    logits="cosine",
    values=arc_plus_values,
    draws=True,
)
def arc_plus(theta: Tensor, *, m: Tensor, fallback: str) -> Tensor:
    """ArcFace's ψ with a margin a sample. theta, m: (B,), radians. Draws are held in [0, π/2].

    Differs from the authors' code, where the margins reach the samples in effect at random: ``as_released``.
    """
    return arcface(theta, m=m, fallback=fallback)


@MARGINS.register(
    "elasticface_cos_plus",
    summary="ElasticFace-Cos, the largest of the batch's margins for the sample farthest from its centre",
    source="arXiv:2109.09416, section 3.3",
    options=(scale(64.0, paper), cosine, spread(0.02), as_released),
    angular=False,
    logits="cosine",
    values=cos_plus_values,
    draws=True,
)
def cos_plus(theta: Tensor, *, m: Tensor) -> Tensor:
    """CosFace's ψ with a margin a sample. theta: (B,), radians; m: (B,), a cosine. Draws are held in [0, 1].

    Differs from the authors' code, where the margins reach the samples in effect at random: ``as_released``.
    """
    return cosface(theta, m=m)

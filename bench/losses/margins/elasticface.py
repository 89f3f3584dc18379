"""ElasticFace: ArcFace or CosFace with a margin drawn for every sample, and its variants that sort the draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient, scale
from bench.losses.margins.arcface import psi as arcface
from bench.losses.margins.cosface import psi as cosface

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import MarginInput

paper = "arXiv:2109.09416"
most_angle, most_cosine = math.pi / 2, 1.0
on_angle = Option("m", 0.5, "mean margin on the angle", "radians", source=paper, minimum=0, maximum=most_angle)
on_cosine = Option("m", 0.35, "mean margin on the cosine", source=paper, minimum=0, maximum=most_cosine)
as_released = Option(
    "as_released",
    False,
    "true: assign the sorted margins as the authors' code does, which in effect is at random",
    source="the authors' code",
    named=True,
)


def sigma(default: float, source: str = paper, unit: str = "") -> Option:
    return Option("sigma", default, "standard deviation of the margins", unit, source=source, minimum=0)


def drawn(batch: MarginInput, m: float, sigma: float, most: float) -> Tensor:
    """A margin a sample, (B,), from N(m, σ) cut off to [0, most]; a function of the step and the run's own stream."""
    from torch import randn

    noise = randn(len(batch.cosine), generator=batch.moment.generator("elasticface"))
    return (m + sigma * noise.to(batch.cosine, non_blocking=True)).clamp(0, most)


def assigned(margins: Tensor, cosine: Tensor, as_released: bool) -> Tensor:
    """The margins (B,) so that the smallest cosine gets the largest. No gradient flows through the order.

    The authors' code takes the permutation that sorts the cosines where its inverse, the rank of each, is needed.
    """
    order = cosine.argsort(descending=True, stable=True)
    return margins.sort().values[order if as_released else order.argsort()]


def arc_values(batch: MarginInput, *, m: float, sigma: float) -> dict[str, Tensor]:
    return {"m": drawn(batch, m, sigma, most_angle)}


def arc_plus_values(batch: MarginInput, *, m: float, sigma: float, as_released: bool) -> dict[str, Tensor]:
    return {"m": assigned(drawn(batch, m, sigma, most_angle), batch.cosine, as_released)}


def cos_values(batch: MarginInput, *, m: float, sigma: float) -> dict[str, Tensor]:
    return {"m": drawn(batch, m, sigma, most_cosine)}


def cos_plus_values(batch: MarginInput, *, m: float, sigma: float, as_released: bool) -> dict[str, Tensor]:
    return {"m": assigned(drawn(batch, m, sigma, most_cosine), batch.cosine, as_released)}


@MARGINS.register(
    "elasticface_arc_plus",
    summary="cos(θ + m), m drawn for every sample, the largest for the farthest",
    source=f"{paper}, ElasticFace-Arc+",
    options=(scale(64.0, paper), on_angle, sigma(0.0175, unit="radians"), as_released, margin_gradient),
    angular=True,
    logits="cosine",
    draws=True,
    values=arc_plus_values,
)
@MARGINS.register(
    "elasticface_arc",
    summary="cos(θ + m), m drawn for every sample",
    source=f"{paper}, ElasticFace-Arc",
    options=(scale(64.0, paper), on_angle, sigma(0.05, unit="radians"), margin_gradient),
    angular=True,
    logits="cosine",
    draws=True,
    values=arc_values,
)
def arc(theta: Tensor, *, m: Tensor) -> Tensor:
    """cos(θ + m) while θ + m ≤ π, then cos θ − (1 − cos m) as ArcFace's ``monotone``. theta, m: (B,), radians.

    Differs from the authors' code: margins are cut off to [0, π/2], so that no margin turns into its opposite (at the
    defaults a draw would have to lie ten σ out), and past π the logit does not rise again. The draws are the run's own,
    the same at the same step whichever variant; there is no state.
    """
    return arcface(theta, m=m, fallback="monotone")


@MARGINS.register(
    "elasticface_cos_plus",
    summary="cos θ − m, m drawn for every sample, the largest for the farthest",
    source=f"{paper}, ElasticFace-Cos+",
    options=(scale(64.0, paper), on_cosine, sigma(0.02), as_released),
    angular=False,
    logits="cosine",
    draws=True,
    values=cos_plus_values,
)
@MARGINS.register(
    "elasticface_cos",
    summary="cos θ − m, m drawn for every sample",
    source=f"{paper}, ElasticFace-Cos",
    options=(scale(64.0, paper), on_cosine, sigma(0.05)),
    angular=False,
    logits="cosine",
    draws=True,
    values=cos_values,
)
def cos(theta: Tensor, *, m: Tensor) -> Tensor:
    """cos θ − m. theta: (B,), radians; m: (B,), cosines. Margins are cut off to [0, 1]; else as ``arc``."""
    return cosface(theta, m=m)

"""SFace: pull and push along the sphere, each cut off by a sigmoid of the angle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def _angle(cosine: Tensor) -> Tensor:
    """θ in radians without gradient, which is why a clamp is enough."""
    return cosine.detach().clamp(-1, 1).acos()


def positive(psi: Tensor, state: Mapping[str, Tensor], *, s: float, k: float, a: float) -> Tensor:
    """−[s·σ(k(θ − a))]·cos θ, (B,); nothing flows through the bracket."""
    return -s * (k * (_angle(psi) - a)).sigmoid() * psi


def cost(logits: Tensor, state: Mapping[str, Tensor], *, s: float, k: float, b: float) -> Tensor:
    """[s·σ(k(b − θ_j))]·cos θ_j, (r, n); nothing flows through the bracket."""
    return s * (k * (b - _angle(logits))).sigmoid() * logits


def prefactor(*, s: float) -> float:
    """s: the pull is s·σ(k(θ − a))·sin θ, and the sigmoid has the part of 1 − p."""
    return s


@MARGINS.register(
    "sface",
    summary="pulls while θ > a, pushes while θ_j < b, by sigmoids; no margin, no softmax",
    source="arXiv:2205.12010; the authors' code",
    options=(
        Option("s", 64.0, "the largest factor of a gradient", source="arXiv:2205.12010", above=0),
        Option("k", 80.0, "steepness of the sigmoids", "1/radian", source="arXiv:2205.12010", above=0),
        Option("a", 0.87, "angle below which the pull dies", "radians", source="authors' run on CASIA-WebFace",
               minimum=0, maximum=math.pi),
        Option("b", 1.2, "angle above which the push dies", "radians", source="authors' run on CASIA-WebFace",
               minimum=0, maximum=math.pi),
    ),
    angular=False,
    logits="cosine",
    cost=cost,
    positive=positive,
    prefactor=prefactor,
)  # fmt: skip
def psi(theta: Tensor) -> Tensor:
    """cos θ. theta: (B,), radians. No state, no posterior.

    The loss's value is of no use: its sigmoids carry no gradient, so it need not fall while the loss is minimised. The
    authors use (a, b) = (.88, 1.25) for VGGFace2 and (.9, 1.2) for MS1MV2; their class starts from (.8, 1.23).
    """
    return theta.cos()

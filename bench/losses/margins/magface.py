"""MagFace: an additive angular margin that grows with the length of the embedding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import fallback, margin_gradient, scale
from bench.losses.margins.arcface import psi as arcface

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import MarginInput


def check(*, l_a: float, u_a: float, l_m: float, u_m: float, **_: object) -> list[tuple[str, str]]:
    """The mistakes that no single option shows."""
    wrong = []
    if u_a <= l_a:
        wrong.append(("u_a", f"must be above l_a ({l_a:g}), found {u_a:g}"))
    if u_m < l_m:
        wrong.append(("u_m", f"must be at least l_m ({l_m:g}), found {u_m:g}"))
    return wrong


def _length(norm: Tensor, l_a: float, u_a: float) -> Tensor:
    """a: ‖x‖ held in [l_a, u_a], (B,); outside it, and on its bounds, without gradient."""
    return norm.where((norm > l_a) & (norm < u_a), norm.detach().clamp(l_a, u_a))


def values(batch: MarginInput, *, l_a: float, u_a: float, l_m: float, u_m: float) -> dict[str, Tensor]:
    """m(a), (B,), radians: a line through (l_a, l_m) and (u_a, u_m), with the gradient of ‖x‖."""
    return {"m": l_m + (u_m - l_m) / (u_a - l_a) * (_length(batch.norm, l_a, u_a) - l_a)}


def regulariser(batch: MarginInput, *, l_a: float, u_a: float, lambda_g: float) -> Tensor:
    """λ_g·g(a) with g(a) = a/u_a² + 1/a, (B,): falls up to u_a, so that it rewards long embeddings."""
    a = _length(batch.norm, l_a, u_a)
    return lambda_g * (a / u_a**2 + 1 / a)


@MARGINS.register(
    "magface",
    summary="cos(θ + m(‖x‖)), and a reward for long embeddings",
    source="arXiv:2103.06627; the authors' code",
    options=(
        scale(64.0, "arXiv:2103.06627"),
        Option("l_a", 10.0, "norm below which all embeddings are alike", source="arXiv:2103.06627", above=0),
        Option("u_a", 110.0, "norm above which all embeddings are alike", source="arXiv:2103.06627", above=0),
        Option("l_m", 0.45, "margin at norm l_a", "radians", source="authors' code", minimum=0, maximum=math.pi / 2),
        Option("u_m", 0.8, "margin at norm u_a", "radians", source="authors' code", minimum=0, maximum=math.pi / 2),
        Option("lambda_g", 35.0, "weight λ_g of g", source="the authors' run; their code's default is 20", minimum=0),
        margin_gradient,
        fallback,
    ),
    angular=True,
    logits="cosine",
    check=check,
    values=values,
    regulariser=regulariser,
)
def psi(theta: Tensor, *, m: Tensor, fallback: str) -> Tensor:
    """cos(θ + m), past π continued as ArcFace is. theta, m: (B,), radians. No state.

    a = ‖x‖ is the embedding's norm as the backbone returns it, held in [l_a, u_a]. The gradient reaches the norm by
    m(a) and by g, with ``straight_through`` by g alone; outside (l_a, u_a) by neither, as in the authors' code.

    A sample moves off l_a, however wrong it is, if λ_g ≥ s·K·u_a²·l_a²/(u_a² − l_a²), K = (u_m − l_m)/(u_a − l_a):
    22.6 with these defaults. A smaller λ_g, such as the 20 that the authors' code starts from, is allowed but lets hard
    samples rest there. The authors' code also drops the margin of every θ > π/2 ("easy margin"); the paper does not.
    """
    return arcface(theta, m=m, fallback=fallback)

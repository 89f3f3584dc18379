"""UniFace: one threshold between the cosines of own and other classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def learned(*, classes: int) -> dict[str, Tensor]:
    """b = log(10·C), as the authors start it: the threshold is the cosine b/s."""
    from torch import tensor

    return {"bias": tensor(math.log(10 * classes))}


def cost(logits: Tensor, state: Mapping[str, Tensor], *, s: float, balance: float) -> Tensor:
    """λ·log(1 + e^{s·cos θ_j − b}), (r, n)."""
    from torch.nn.functional import logsigmoid

    return -balance * logsigmoid(state["bias"] - s * logits)


def positive(psi: Tensor, state: Mapping[str, Tensor], *, s: float) -> Tensor:
    """log(1 + e^{−(sψ − b)}), (B,)."""
    from torch.nn.functional import logsigmoid

    return -logsigmoid(s * psi - state["bias"])


def posterior(psi: Tensor, state: Mapping[str, Tensor], *, s: float) -> Tensor:
    """The sigmoid of how far ψ lies above the threshold, (B,)."""
    return (s * psi - state["bias"]).sigmoid()


def prefactor(*, s: float) -> float:
    """∂positive/∂(−ψ)/(1 − p) = s."""
    return s


@MARGINS.register(
    "uniface",
    summary="cos θ − m above and cos θ_j below one learned threshold, a binary loss a class",
    source="UniFace, ICCV 2023, p. 20673; the authors' code",
    options=(
        Option("s", 64.0, "scale: logit = s·cosine − b", source="authors' code", above=0),
        Option("m", 0.4, "margin on the cosine", source="authors' code", minimum=0, maximum=1),
        Option("balance", 1.0, "λ, the weight of the other classes", source="authors' code", above=0),
    ),
    angular=False,
    logits="cosine",
    learned=learned,
    cost=cost,
    positive=positive,
    posterior=posterior,
    prefactor=prefactor,
)
def psi(theta: Tensor, *, m: float) -> Tensor:
    """cos θ − m. theta: (B,), radians; m: a cosine, no unit. Learned: ``bias`` b, ().

    Summed over classes, mean over the batch. p is the own class's sigmoid. Differs from the authors' code, which cuts
    every logit at ±s and so stops pulling the samples that are furthest from their class. Their share r of the other
    classes is no option of the loss but of the head that samples classes.
    """
    return theta.cos() - m

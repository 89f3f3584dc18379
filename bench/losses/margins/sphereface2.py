"""SphereFace2: a binary classifier for each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import MARGINS, Option
from bench.losses.margins._options import margin_gradient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from bench.losses.types import Target


def _similarity(cosine: Tensor, t: float) -> Tensor:
    """g(c) = 2((c + 1)/2)^t − 1; relu against a cosine that rounding put below −1."""
    return 2 * ((cosine + 1) / 2).relu() ** t - 1


def learned(*, classes: int, alpha: float, r: float, m: float, t: float) -> dict[str, Tensor]:
    """The bias at which the loss of embeddings at right angles to all centres is least; one class as two."""
    from torch import tensor

    ratio = alpha / ((1 - alpha) * max(classes - 1, 1))
    own, other = (r * (2 * 0.5**t - 1 + sign * m) for sign in (-1, 1))
    root = math.sqrt((1 - ratio) ** 2 + 4 * ratio * math.exp(own - other))
    if ratio < 1:  # two forms of one root; each subtracts nothing where it is taken
        return {"bias": tensor(math.log(2 * ratio / (1 - ratio + root)) - other)}
    return {"bias": tensor(math.log((ratio - 1 + root) / 2) - own)}


def negative(cosines: Tensor, target: Target, *, m: float, t: float, margin_gradient: str) -> Tensor:
    """g(c) + m, (r, n), with the gradient of c where that is asked."""
    raised = _similarity(cosines, t) + m
    return raised if margin_gradient == "true" else cosines + (raised - cosines).detach()


def cost(logits: Tensor, state: Mapping[str, Tensor], *, alpha: float, r: float, weight: float) -> Tensor:
    """weight·(1 − α)/r·log(1 + e^{r(g + m) + b}), (r, n)."""
    from torch.nn.functional import logsigmoid

    return -weight * (1 - alpha) / r * logsigmoid(-(r * logits + state["bias"]))


def positive(psi: Tensor, state: Mapping[str, Tensor], *, alpha: float, r: float, weight: float) -> Tensor:
    """weight·α/r·log(1 + e^{−(r(g − m) + b)}), (B,)."""
    from torch.nn.functional import logsigmoid

    return -weight * alpha / r * logsigmoid(r * psi + state["bias"])


def posterior(psi: Tensor, state: Mapping[str, Tensor], *, r: float) -> Tensor:
    """The sigmoid of the own class's classifier, (B,)."""
    return (r * psi + state["bias"]).sigmoid()


def prefactor(*, alpha: float, weight: float) -> float:
    """∂positive/∂(−ψ)/(1 − p) = weight·α; r has gone with 1/r."""
    return weight * alpha


@MARGINS.register(
    "sphereface2",
    summary="a binary loss a class on g(cos θ) − m and g(cos θ_j) + m, with one learned bias",
    source="arXiv:2108.01513, type C; OpenSphere's SphereFace2-C",
    options=(
        Option("r", 40.0, "scale of a classifier's logit", source="OpenSphere", above=0),
        Option("m", 0.4, "margin on g, both sides", source="OpenSphere", minimum=0, maximum=1),
        Option("t", 3.0, "exponent of g(c) = 2((c + 1)/2)^t − 1", source="OpenSphere", minimum=1),
        Option("alpha", 0.7, "weight of the own class; others 1 − α", source="arXiv:2108.01513", above=0, below=1),
        Option("weight", 50.0, "of the whole loss; the paper's formula has none", source="OpenSphere", above=0),
        margin_gradient,
    ),
    angular=True,
    logits="cosine",
    learned=learned,
    negative=negative,
    cost=cost,
    positive=positive,
    posterior=posterior,
    prefactor=prefactor,
)
def psi(theta: Tensor, *, m: float, t: float) -> Tensor:
    """g(cos θ) − m. theta: (B,), radians. Learned: ``bias``, (), of every classifier.

    Summed over classes, mean over the batch. p is the own classifier's sigmoid. ``satisfied`` compares g(cos θ) − m
    with g(cos θ_j) + m, that is the logits, r and bias being shared. With ``straight_through`` g's gradient is that of
    the cosine for the own and the other classes alike, as in OpenSphere's first code; its later code back-propagates.
    Left out are types A and M, whose margins are on the angle.
    """
    return _similarity(theta.cos(), t) - m

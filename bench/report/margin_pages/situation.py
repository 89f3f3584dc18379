"""A situation in which every margin is looked at, through the real head: ψ, and the pull by angle and direction."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.catalog import GATES, MARGINS, PROFILES, Spec
from bench.catalog.rules import gate_problem
from bench.losses.head import MarginHead
from bench.losses.types import LossOutput, MarginInput, Moment

CLASSES, DIMENSION = 50, 16
NORM, NORMS = 20.0, (10.0, 20.0, 40.0)
BATCHES, BATCH, STEP = 500, 64, 10_000
STRENGTHS = (0.0, 0.1, 1.0)
THETA = 0.5
SEED = 11


def in_words(gate: str) -> str:
    """The situation, for a reader."""
    return (
        f"{CLASSES} centres of norm 1 in random directions of {DIMENSION} dimensions, samples around one of them in "
        f"random directions with ‖x‖ = {NORM:g}, every option at its default; the term has gate {gate} and profile "
        "`matched`."
    )


def gate_of(spec: Spec) -> str:
    """The gate that enhances a margin here: the usual one, where the margin admits it."""
    return "posterior" if gate_problem(spec, "posterior") is None else "uniform"


def has_straight_through(spec: Spec) -> bool:
    return "margin_gradient" in spec.defaults


@functools.cache
def head_of(name: str, *, straight_through: bool = False) -> MarginHead:
    """A margin's head with every option at its default, enhanced with profile `matched`; see `prepared`."""
    spec = MARGINS.get(name)
    gate = gate_of(spec)
    margin = {"name": name, **spec.defaults}
    if straight_through:
        margin["margin_gradient"] = "straight_through"
    term = {
        "strength": 1.0,
        "gate": {"name": gate, **GATES.get(gate).defaults},
        "profile": {"name": "matched", **PROFILES.get("matched").defaults},
    }
    return prepared(margin, term)


def prepared(margin: Mapping[str, Any], term: Mapping[str, Any] | None) -> MarginHead:
    """A head, float64, in evaluation: unit centres, enhancement, and the margin's state that some batches leave.

    The own class's sub-centres coincide, so that the angle to the nearest is the stated one. Raises as `MarginHead`.
    """
    head = MarginHead(margin, term, CLASSES, DIMENSION, generator=_generator(0), stream=_generator(1)).double()
    with torch.no_grad():
        head.centres.copy_(F.normalize(head.centres, dim=-1))
        if head.centres.ndim == 3:
            head.centres[0] = head.centres[0, :1]
        if "update" in head.margin.spec.traits:
            _train(head)
    return head.eval()


def _generator(use: int) -> torch.Generator:
    return torch.Generator().manual_seed(SEED + use)


def _around(centre: Tensor, theta: Tensor, norm: Tensor | float, generator: torch.Generator) -> Tensor:
    """Embeddings (B, d) of a norm at angles (B,) from unit centres, in directions drawn evenly around them."""
    draw = torch.randn(len(theta), DIMENSION, generator=generator, dtype=torch.float64)
    across = F.normalize(draw - (draw * centre).sum(1, keepdim=True) * centre, dim=1)
    unit = theta.cos()[:, None] * centre + theta.sin()[:, None] * across
    return unit * torch.as_tensor(norm, dtype=torch.float64).reshape(-1, 1)


def _train(head: MarginHead) -> None:
    """Batches of every class at θ = .7 ± .2 rad with ‖x‖ = 20 ± 5: only the margin's state follows them."""
    generator = _generator(2)
    first = head.centres if head.centres.ndim == 2 else head.centres[:, 0]
    for step in range(BATCHES):
        labels = torch.randint(CLASSES, (BATCH,), generator=generator)
        spread, norm = torch.randn(2, BATCH, generator=generator, dtype=torch.float64)
        x = _around(first[labels], (0.7 + 0.2 * spread).abs(), (NORM + 5 * norm).clamp(min=1), generator)
        head(x, labels, step=step, strength=0.0)


def look(head: MarginHead, theta: Tensor, strength: float, *, norm: float = NORM) -> LossOutput:
    """The loss of samples at angles (B,) from class 0, each in a direction of its own."""
    own = head.centres[0] if head.centres.ndim == 2 else head.centres[0, 0]
    with torch.no_grad():
        x = _around(own, theta, norm, _generator(3))
        output: LossOutput = head(x, torch.zeros(len(theta), dtype=torch.int64), step=STEP, strength=strength)
    return output


def target(head: MarginHead, theta: Tensor, *, norm: float = NORM, step: int = STEP) -> Tensor:
    """ψ (B,) of samples at angles (B,)."""
    cosine, labels = theta.cos(), torch.zeros(len(theta), dtype=torch.int64)
    batch = MarginInput(cosine, torch.full_like(theta, norm), labels, head.margin.state, Moment(step, SEED))
    with torch.no_grad():
        return head.margin.psi(theta, cosine, head.margin.values(batch))


def directions(theta: float, count: int = 2000) -> Tensor:
    """One angle, for ``count`` directions."""
    return torch.full((count,), theta, dtype=torch.float64)


def relative_pulls(head: MarginHead, strength: float) -> Tensor:
    """Pull over the strongest pull, by direction at θ = .5 rad, from weakest to strongest."""
    pull = look(head, directions(THETA), strength).pull.abs()
    return pull.sort().values / pull.max()


def psi_depends_on_norm(head: MarginHead) -> bool:
    """Whether ψ of a sample depends on ‖x‖."""
    short, long = (target(head, _every_angle(), norm=norm) for norm in (NORMS[0], NORMS[-1]))
    return not torch.allclose(short, long, rtol=0, atol=1e-9)


def pull_depends_on_norm(head: MarginHead) -> bool:
    """Whether the pull of a sample depends on ‖x‖: through ψ, or because its logit has that factor."""
    short, long = (look(head, _every_angle(), 0.0, norm=norm).pull for norm in (NORMS[0], NORMS[-1]))
    return not torch.allclose(short, long, rtol=1e-9, atol=1e-12)


def depends_on_step(head: MarginHead) -> bool:
    """Whether ψ is drawn or annealed."""
    first, later = (target(head, _every_angle(), step=step) for step in (1, STEP))
    return not torch.allclose(first, later, rtol=0, atol=1e-9)


def _every_angle() -> Tensor:
    return torch.linspace(0.1, math.pi - 0.1, 40, dtype=torch.float64)

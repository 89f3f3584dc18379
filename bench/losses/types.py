"""The values that pass between head, margins, gates, terms and their callers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench.suite.seeds import seed_for


@dataclass(frozen=True)
class Moment:
    """When a loss is computed. What is drawn or annealed follows from it alone, so that it resumes at any step.

    ``step``: training steps done before this one, None where the caller did not say. ``seed``: of the run's own stream.
    """

    step: int | None
    seed: int

    @property
    def number(self) -> int:
        """The step. Raises ValueError where it is not known."""
        if self.step is None:
            raise ValueError("this loss depends on the training step: call the head with step=")
        return self.step

    def generator(self, use: str) -> torch.Generator:
        """A CPU generator for one use at this step."""
        return torch.Generator().manual_seed(seed_for(use, seed=self.seed, step=self.number))


@dataclass(frozen=True)
class MarginInput:
    """What a margin may see of a batch beside θ. Float32 or float64.

    ``cosine``: (B,) to the own centre, without gradient. ``norm``: (B,) ‖x‖, with gradient where there is one.
    ``labels``: (B,) int64. ``state``: the margin's own buffers and learned values, by name.
    """

    cosine: Tensor
    norm: Tensor
    labels: Tensor
    state: Mapping[str, Tensor]
    moment: Moment


@dataclass(frozen=True)
class Target:
    """What a margin's negatives may see of their samples: (r, 1) each, without gradient.

    ``psi``: ψ(θ) with its margin; ``cosine``: without.
    """

    psi: Tensor
    cosine: Tensor
    state: Mapping[str, Tensor]


LogSumExp = Callable[[Tensor | float], Tensor]
"""scale -> log Σ_{j≠y} exp(scale·cos θ_j), (B,), without gradient."""


@dataclass(frozen=True)
class GateInput:
    """What a gate may see of a batch. Everything is detached; float32 or float64 unless said.

    ``posterior``: (B,) p of the target as the base loss has it; None for a loss that declares none. ``target_logit``:
    (B,) with its margin. ``hardest_negative``: (B,) largest logit among the negatives, −∞ with a single class.
    ``embedding``, ``centre``: (B, d) unit embedding and unit centre of the target. ``theta``: (B,) radians between
    them. ``labels``: (B,) int64. ``state``: the gate's own buffers, by name.
    """

    posterior: Tensor | None
    target_logit: Tensor
    hardest_negative: Tensor
    embedding: Tensor
    centre: Tensor
    theta: Tensor
    labels: Tensor
    state: Mapping[str, Tensor]

    def of_samples(self, some: Tensor, labels: Tensor) -> GateInput:
        """What is seen of the samples ``some``, (n,) int64, with other ``labels`` (n,)."""
        return GateInput(
            posterior=None if self.posterior is None else self.posterior[some],
            target_logit=self.target_logit[some],
            hardest_negative=self.hardest_negative[some],
            embedding=self.embedding[some],
            centre=self.centre[some],
            theta=self.theta[some],
            labels=labels,
            state=self.state,
        )


@dataclass(frozen=True)
class TermInput:
    """What a term that is added to the loss may see. Gradients flow through all but ``labels`` and ``state``.

    ``embedding``: (B, d) raw; ``unit``: (B, d); ``theta``: (B,) radians to the own centre. ``labels``: (B,) int64, the
    rows of ``state`` that hold one a class. ``rows``: (B,) int64, the own class's row in ``centres``, (n, d) raw: for a
    term between classes all of them, or with Partial FC those of this step; for one within classes the samples' own,
    (B, [K,] d). ``state``: the term's own buffers, by name.
    """

    embedding: Tensor
    unit: Tensor
    theta: Tensor
    labels: Tensor
    rows: Tensor
    centres: Tensor
    state: Mapping[str, Tensor]
    moment: Moment


@dataclass(frozen=True)
class LossOutput:
    """What the head returns. Only ``loss`` carries a gradient.

    ``loss``: () base plus terms, mean over the batch. ``base``: () its first part; ``term``: () the gradient-enhancing
    term, strength included, None where it is not evaluated. ``terms``: () each of the others by name, weight included.
    Per sample, (B,): ``target_angle`` θ in radians, ``posterior`` p (None for a loss that declares none), and ``pull``
    = ∂(base and enhancing term of the sample)/∂θ with the negatives' cosines held fixed.
    """

    loss: Tensor
    base: Tensor
    term: Tensor | None
    terms: Mapping[str, Tensor]
    target_angle: Tensor
    posterior: Tensor | None
    pull: Tensor

    def of_samples(self, some: slice) -> LossOutput:
        """The same loss, with what is stated per sample for some of them."""
        posterior = None if self.posterior is None else self.posterior[some]
        return replace(self, target_angle=self.target_angle[some], posterior=posterior, pull=self.pull[some])

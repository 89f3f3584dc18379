"""The classifier that owns the class centres, and the loss it computes: base margin loss plus enhancing term."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.catalog import MARGINS
from bench.losses.angles import at_least_float32, safe_angle, slope
from bench.losses.enhancement import EnhancingTerm
from bench.losses.resolve import resolve
from bench.losses.types import GateInput, LossOutput


class Margin:
    """ψ with its options and its gradient convention; ``scale`` is s of cosine logits."""

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.spec, options = resolve(MARGINS, block)
        self.inner = self.spec.traits["logits"] == "inner"
        self.scale = float(options.pop("s", 1.0))
        # A margin whose slope is that of cos θ has but one gradient; taken from the cosine itself it loses no digits.
        through_psi = options.pop("margin_gradient", "true") == "true"
        self._true_gradient = self.spec.traits["angular"] and through_psi
        self._options = options

    def psi(self, theta: Tensor, cosine: Tensor) -> Tensor:
        """ψ(θ), (B,), carrying the gradient of ψ (true) or of cos θ (straight-through)."""
        psi: Tensor = self.spec.function(theta, **self._options)
        return psi if self._true_gradient else cosine + (psi - cosine).detach()


def negative_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """(B, C) logits with −∞ in each sample's own class."""
    own = labels[:, None] == torch.arange(logits.shape[1], device=labels.device)
    return logits.masked_fill(own, -math.inf)


def log_posterior(target: Tensor, negatives: Tensor) -> Tensor:
    """log p of the target, (B,), from its logit (B,) and the negatives' (B, C), exact also where 1 − p underflows."""
    if negatives.shape[1] == 1:
        return target * 0
    return F.logsigmoid(target - negatives.logsumexp(dim=1))


class MarginHead(nn.Module):
    """Class centres ``centres`` (C, d), margin, and enhancing term.

    ``margin``: {"name", **options}. ``enhancement``: None, or {"strength", "gate": {"name", **options}, "profile":
    {"name", **options}}; strength 0 is None. ``generator`` draws the centres, from N(0, 1/d) so that their norm is near
    1 whatever d is; ``stream`` is the margin's and the gate's own. Both are CPU generators.
    Raises BenchError (UnknownNameError) for a name or option that the registries do not know.
    """

    def __init__(
        self,
        margin: Mapping[str, Any],
        enhancement: Mapping[str, Any] | None,
        classes: int,
        embedding: int,
        *,
        generator: torch.Generator,
        stream: torch.Generator,
    ) -> None:
        super().__init__()
        self.margin = Margin(margin)
        centres = torch.randn(classes, embedding, generator=generator) / math.sqrt(embedding)
        self.centres = nn.Parameter(centres)
        self.term: EnhancingTerm | None = None
        if enhancement is not None and enhancement["strength"] > 0:
            self.term = EnhancingTerm(enhancement, centres=F.normalize(centres), stream=stream)

    def forward(self, x: Tensor, labels: Tensor, *, max_repeat: int | None = None) -> LossOutput:
        """The loss of raw embeddings x (B, d), any float dtype, with labels (B,) int64.

        Computed in float32, or float64 if x or the centres are, autocast or not. ``max_repeat``: at least the largest
        number of samples of one class in the batch; gates with state count it when None, which waits for a GPU.
        In evaluation mode no state is updated. Raises ValueError for shapes that do not fit.
        """
        if x.ndim != 2 or x.shape[1] != self.centres.shape[1] or labels.shape != x.shape[:1]:
            raise ValueError(
                f"embeddings must be (B, {self.centres.shape[1]}) and labels (B,), "
                f"found {tuple(x.shape)} and {tuple(labels.shape)}"
            )
        dtype = at_least_float32(x, self.centres)
        with torch.autocast(x.device.type, enabled=False):
            return self._loss(x.to(dtype), self.centres.to(dtype), labels, max_repeat)

    def _loss(self, x: Tensor, centres: Tensor, labels: Tensor, max_repeat: int | None) -> LossOutput:
        unit_x, unit_centres = F.normalize(x), F.normalize(centres)
        own_centre = unit_centres[labels]
        cosine = (unit_x * own_centre).sum(dim=1)
        theta = safe_angle(cosine)
        psi = self.margin.psi(theta, cosine)
        scale, logits = self._logits(x, centres, unit_x, unit_centres, labels)
        target, negatives = scale * psi, negative_logits(logits, labels)
        log_p = log_posterior(target, negatives)
        base = -log_p.mean()

        scale, log_p = scale.detach(), log_p.detach()
        posterior, angle = log_p.exp(), theta.detach()
        pull = scale * -torch.expm1(log_p) * -slope(self._psi_at, angle)
        if self.term is None:
            return LossOutput(base, base.detach(), None, angle, posterior, pull)

        batch = GateInput(
            posterior=posterior,
            target_logit=target.detach(),
            hardest_negative=negatives.detach().amax(dim=1) if negatives.shape[1] > 1 else None,
            embedding=unit_x.detach(),
            centre=own_centre.detach(),
            theta=angle,
            labels=labels,
            state=self.term.state,
        )
        weight = self.term.strength * scale * self.term.gate(batch)
        term = (weight * self.term.profile(theta, psi)).mean()
        pull = pull + weight * slope(self._phi_at, angle)
        if self.training:
            self.term.observe(batch, max_repeat)
        return LossOutput(base + term, base.detach(), term.detach(), angle, posterior, pull)

    def _logits(
        self, x: Tensor, centres: Tensor, unit_x: Tensor, unit_centres: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The factor s_i between ψ and the target's logit, (B,), and all logits without margin, (B, C)."""
        if self.margin.inner:
            return x.norm(dim=1) * centres[labels].norm(dim=1), x @ centres.T
        return x.new_full(x.shape[:1], self.margin.scale), self.margin.scale * (unit_x @ unit_centres.T)

    def _psi_at(self, theta: Tensor) -> Tensor:
        return self.margin.psi(theta, theta.cos())

    def _phi_at(self, theta: Tensor) -> Tensor:
        assert self.term is not None
        return self.term.profile(theta, self._psi_at(theta))

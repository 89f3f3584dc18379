"""A margin as the head uses it: its functions, its options, its state, and its gradient convention."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.catalog import MARGINS
from bench.errors import BenchError
from bench.losses.angles import slope
from bench.losses.product import Reduction
from bench.losses.resolve import resolve
from bench.losses.types import LogSumExp, MarginInput, Target

Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class TargetPart:
    """What the target's side makes of a loss, per sample, (B,).

    ``loss`` carries the gradient; the rest is detached. ``logit``: with margin and scale. ``posterior``: p, None for a
    loss that declares none. ``prefactor``: s_i. ``drive``: ∂loss/∂(−ψ), which is s_i·(1−p) where there is a p.
    """

    loss: Tensor
    logit: Tensor
    posterior: Tensor | None
    prefactor: Tensor
    drive: Tensor


class Margin(nn.Module):
    """ψ and all that belongs to it. See ``bench.catalog.MARGINS`` for what a margin may declare."""

    def __init__(self, block: Mapping[str, Any], *, classes: int = 1) -> None:
        super().__init__()
        self.spec, options = resolve(MARGINS, block)
        self._traits = self.spec.traits
        self.logits: str = self._traits["logits"]
        self.centres_a_class = int(options[self._traits["subcentres"]]) if "subcentres" in self._traits else 1
        # A margin whose slope is that of cos θ has but one gradient; taken from the cosine itself it loses no digits.
        through_psi = options.get("margin_gradient", "true") == "true"
        self._true_gradient = self._traits["angular"] and through_psi
        self._options = options
        for name, value in self._call("start", classes=classes).items():
            self._free(name)
            self.register_buffer(name, value)
        for name, value in self._call("learned", classes=classes).items():
            self._free(name)
            self.register_parameter(name, nn.Parameter(value))
        self._s = 1.0 if "cost" in self._traits or self.logits != "cosine" else float(options.get("s", 1.0))

    def _free(self, name: str) -> None:
        if hasattr(self, name):
            raise BenchError(f"margin {self.spec.name!r}: a state cannot be called {name!r}, which is taken")

    def _call(self, trait: str, *given: Any, **more: Any) -> Any:
        """One of the margin's functions with those options that it names; an empty dict where it has none."""
        function = self._traits.get(trait)
        return {} if function is None else function(*given, **chosen(function, {**self._options, **more}))

    @property
    def has_posterior(self) -> bool:
        """Whether the loss declares a p of the target."""
        return "cost" not in self._traits or "posterior" in self._traits

    @property
    def state(self) -> dict[str, Tensor]:
        """Buffers and learned values, by name."""
        return {**dict(self.named_buffers()), **dict(self.named_parameters())}

    @property
    def scale(self) -> Tensor | float:
        """s, a number or (): the factor between a cosine and its logit; 1 where the logit has other factors."""
        return self.state[self._traits["scale"]].detach().clone() if "scale" in self._traits else self._s

    def update(self, batch: MarginInput, log_sum_exp: LogSumExp) -> None:
        """Let the state follow a training batch, before the batch's own loss is computed."""
        self._call("update", batch, log_sum_exp=log_sum_exp)

    def values(self, batch: MarginInput) -> Values:
        """ψ's arguments of each sample, (B,) each."""
        found: Values = self._call("values", batch)
        return found

    def psi(self, theta: Tensor, cosine: Tensor, values: Values) -> Tensor:
        """ψ(θ), (B,), carrying the gradient of ψ (true) or of cos θ (straight-through)."""
        psi: Tensor = self.spec.function(theta, **chosen(self.spec.function, {**self._options, **values}))
        return psi if self._true_gradient else cosine + (psi - cosine).detach()

    def regulariser(self, batch: MarginInput) -> Tensor | None:
        """What the margin adds to the loss of each sample, (B,)."""
        return self._call("regulariser", batch) if "regulariser" in self._traits else None

    def reduction(self, theta: Tensor, batch: MarginInput) -> Reduction:
        """How the other classes' products become a number a sample; everything is detached but learned values."""
        scale = self.scale
        negative, cost = self._traits.get("negative"), self._traits.get("cost")
        # Buffers as they are now: the next batch may move them before this one's gradient is asked for.
        state = {name: value if value.requires_grad else value.clone() for name, value in self.state.items()}
        target = Target(self.psi(theta, batch.cosine, self.values(batch))[:, None], batch.cosine[:, None], state)

        def changed(products: Tensor, samples: slice) -> Tensor:
            part = Target(target.psi[samples], target.cosine[samples], target.state)
            found: Tensor = self._call("negative", products, part)
            return found

        def costs(logits: Tensor) -> Tensor:
            found: Tensor = self._call("cost", logits, state)
            return found

        return Reduction(scale, None if negative is None else changed, None if cost is None else costs)

    def target(self, psi: Tensor, factor: Tensor, total: Tensor) -> TargetPart:
        """The loss of each sample, from ψ (B,), its logit's factor (B,), and the reduced other classes (B,)."""
        if "cost" not in self._traits:
            logit = factor * psi
            log_p = F.logsigmoid(logit - total)
            fixed, kept = factor.detach(), log_p.detach()
            return TargetPart(-log_p, logit.detach(), kept.exp(), fixed, fixed * -torch.expm1(kept))
        loss = self._positive(psi) + total
        fixed = psi.detach()
        posterior = self._call("posterior", fixed, self.state) if "posterior" in self._traits else None
        prefactor = torch.full_like(fixed, self._call("prefactor"))
        logit = self._call("logit", fixed, self.state) if "logit" in self._traits else fixed
        return TargetPart(
            loss, logit.detach(), None if posterior is None else posterior.detach(), prefactor,
            -slope(self._positive, fixed),
        )  # fmt: skip

    def _positive(self, psi: Tensor) -> Tensor:
        found: Tensor = self._call("positive", psi, self.state)
        return found


@functools.cache
def _names(function: Callable[..., Any]) -> frozenset[str] | None:
    """The keywords that a function takes; None for any."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def chosen(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that a function names as keywords."""
    names = _names(function)
    return dict(options) if names is None else {key: value for key, value in options.items() if key in names}

"""The gradient-enhancing term λ·mean_i s_i·gate_i·φ(θ_i): this project's own form, a registry of gates × profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.catalog import GATES, PROFILES
from bench.losses.resolve import resolve
from bench.losses.types import GateInput


class EnhancingTerm(nn.Module):
    """Gate, profile and strength λ > 0; a gate's running state lives in buffers and so in ``state_dict``.

    A gate that has state declares it by two traits: ``start(unit centres (C, d), generator) -> {name: buffer}`` and
    ``update(batch, max_repeat)``, which works in place.
    """

    def __init__(self, block: Mapping[str, Any], *, centres: Tensor, stream: torch.Generator) -> None:
        """``block``: {"strength", "gate": {"name", **options}, "profile": {"name", **options}}.

        ``centres``: (C, d), unit; ``stream``: the generator from which a gate draws its first state.
        """
        super().__init__()
        self.strength = float(block["strength"])
        self._gate, self._gate_options = resolve(GATES, block["gate"])
        self._profile, self._profile_options = resolve(PROFILES, block["profile"])
        if "start" in self._gate.traits:
            for name, value in self._gate.traits["start"](centres, stream).items():
                self.register_buffer(name, value)

    @property
    def state(self) -> dict[str, Tensor]:
        return dict(self.named_buffers())

    def gate(self, batch: GateInput) -> Tensor:
        """Where the gradient is enhanced, (B,); without gradient, as all that a gate sees is."""
        values: Tensor = self._gate.function(batch, **self._gate_options)
        return values

    def profile(self, theta: Tensor, psi: Tensor) -> Tensor:
        """φ(θ), (B,)."""
        values: Tensor = self._profile.function(theta, psi, **self._profile_options)
        return values

    def observe(self, batch: GateInput, max_repeat: int | None) -> None:
        """Let the gate's state follow a training batch."""
        if "update" in self._gate.traits:
            with torch.no_grad():
                self._gate.traits["update"](batch, max_repeat)

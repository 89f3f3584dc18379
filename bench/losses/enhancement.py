"""The gradient-enhancing term λ·mean_i s_i·gate_i·φ(θ_i): this project's own form, a registry of gates × profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.catalog import GATES, PROFILES
from bench.errors import BenchError
from bench.losses.resolve import resolve
from bench.losses.shards import ALONE, Group, rows_within
from bench.losses.types import GateInput


class EnhancingTerm(nn.Module):
    """Gate, profile and strength λ > 0; a gate's running state lives in buffers and so in ``state_dict``.

    A gate that has state declares it by two traits: ``start(unit centres (C, d), generator) -> {name: buffer}`` and
    ``update(batch, max_repeat)``, which works in place. Where processes share the classes, each keeps its own part of
    buffers that have a row a class, shows the gate those samples alone whose class it holds, and adds up the values.
    """

    def __init__(
        self,
        block: Mapping[str, Any],
        *,
        centres: Tensor,
        stream: torch.Generator,
        part: range | None = None,
        group: Group = ALONE,
    ) -> None:
        """``block``: {"strength", "gate": {"name", **options}, "profile": {"name", **options}}.

        ``centres``: (C, d), unit, of all classes if the gate has state; ``stream``: the generator from which it draws
        its first; ``part``: the classes whose state this process of the ``group`` keeps, None for all. Raises
        BenchError where there is a part of the classes and state that has not a row for each.
        """
        super().__init__()
        self.strength = float(block["strength"])
        self._gate, self._gate_options = resolve(GATES, block["gate"])
        self._profile, self._profile_options = resolve(PROFILES, block["profile"])
        self._part, self._group = range(len(centres)) if part is None else part, group
        self._is_parted = group.size > 1 and "start" in self._gate.traits
        if "start" in self._gate.traits:
            for name, value in self._gate.traits["start"](centres, stream).items():
                self.register_buffer(name, self._part_of(name, value, len(centres)) if self._is_parted else value)

    def _part_of(self, name: str, value: Tensor, classes: int) -> Tensor:
        if value.shape[:1] != (classes,):
            raise BenchError(
                f"gate {self._gate.name!r} cannot be shared by processes: its {name!r} {tuple(value.shape)} has not "
                f"one row for each of {classes} classes"
            )
        return value[self._part.start : self._part.stop].clone()

    @property
    def state(self) -> dict[str, Tensor]:
        return dict(self.named_buffers())

    def gate(self, batch: GateInput) -> Tensor:
        """Where the gradient is enhanced, (B,); without gradient, as all that a gate sees is."""
        if not self._is_parted:
            return self._opened(batch)
        values = batch.theta.new_zeros(batch.theta.shape)
        samples, held = self._held(batch)
        if len(samples):
            values[samples] = self._opened(held)
        return self._group.sum(values)

    def _opened(self, batch: GateInput) -> Tensor:
        values: Tensor = self._gate.function(batch, **self._gate_options)
        return values

    def _held(self, batch: GateInput) -> tuple[Tensor, GateInput]:
        """The samples (n,) whose class this process holds, and what is seen of them, with rows of its own state."""
        rows = rows_within(self._part, batch.labels)
        samples = (rows >= 0).nonzero()[:, 0]
        return samples, batch.of_samples(samples, rows[samples])

    def profile(self, theta: Tensor, psi: Tensor) -> Tensor:
        """φ(θ), (B,)."""
        values: Tensor = self._profile.function(theta, psi, **self._profile_options)
        return values

    def observe(self, batch: GateInput, max_repeat: int | None) -> None:
        """Let the gate's state follow a training batch."""
        if "update" not in self._gate.traits:
            return
        if self._is_parted:
            samples, batch = self._held(batch)
            max_repeat = None  # the caller's may be of its own samples; choosing them has waited for a GPU already
            if not len(samples):
                return
        with torch.no_grad():
            self._gate.traits["update"](batch, max_repeat)

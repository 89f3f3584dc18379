"""A term that a suite adds to the loss: between classes or within them, with a weight of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.catalog import TERMS
from bench.losses.margin import chosen
from bench.losses.resolve import resolve
from bench.losses.types import Moment, TermInput


class AddedTerm(nn.Module):
    """weight · term; its running state lives in buffers and so in ``state_dict``.

    With the option ``every`` = n it is evaluated at each n-th step, n times as strong, so that its mean weight stays.
    """

    def __init__(self, block: Mapping[str, Any], *, classes: int, embedding: int, stream: torch.Generator) -> None:
        """``block``: {"name", "weight", **options}; ``stream``: the generator from which a first state is drawn."""
        super().__init__()
        self.name, self.weight = str(block["name"]), float(block["weight"])
        self._spec, options = resolve(TERMS, {key: value for key, value in block.items() if key != "weight"})
        self.between = self._spec.traits["place"] == "between"
        self.every = int(options.pop("every", 1))
        self._options = options
        if "start" in self._spec.traits:
            for name, value in self._spec.traits["start"](classes, embedding, stream).items():
                self.register_buffer(name, value)

    @property
    def state(self) -> dict[str, Tensor]:
        return dict(self.named_buffers())

    def is_due(self, moment: Moment) -> bool:
        """Whether the term is evaluated at this step."""
        return self.every == 1 or moment.number % self.every == 0

    def forward(self, batch: TermInput) -> Tensor:
        """weight · term, (); in training its state follows afterwards."""
        if not self.is_due(batch.moment):
            return batch.theta.new_zeros(())
        value: Tensor = self._spec.function(batch, **chosen(self._spec.function, self._options))
        update = self._spec.traits.get("update")
        if self.training and update is not None:
            with torch.no_grad():
                update(batch, **chosen(update, self._options))
        return self.weight * self.every * value

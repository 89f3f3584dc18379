"""What is measured at every step and told once an epoch, as means over its steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.losses.types import LossOutput


def meter_names(config: dict[str, Any]) -> tuple[str, ...]:
    """What each number of ``measured`` is."""
    terms = (f"terms.{block['name']}" for block in config["terms"])
    return ("loss", "base", "term", "target_angle", "posterior", *terms)


def measured(output: LossOutput) -> Tensor:
    """The numbers of a step, (number,) float32, on its device; 0 for what the loss does not have."""
    nothing = output.base.new_zeros(())
    values = (
        output.loss.detach(), output.base, nothing if output.term is None else output.term,
        output.target_angle.mean(), nothing if output.posterior is None else output.posterior.mean(),
        *output.terms.values(),
    )  # fmt: skip
    return torch.stack([value.to(torch.float32) for value in values])

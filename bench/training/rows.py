"""Partial FC's other half: an optimiser that changes the rows of a step, and of its own state, and no others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.losses.head import MarginHead


def train_rows(optimiser: torch.optim.Optimizer, head: MarginHead) -> None:
    """Let each ``optimiser.step()`` change those rows of ``head.centres`` that its batch has sampled; once a head.

    ``optimiser`` has the parameters ``head.trainable()``. What it remembers of a centre (momentum, moments) is held for
    all centres, from 0, in its state and so in its state dict; before a step the rows' part is gathered, after it that
    and the weights are written back. Rows that a step does not sample keep every bit: no momentum moves them and
    no decay shrinks them. What it counts, AdamW's ``step``, it counts for all rows alike: a row that is sampled for the
    first time late is corrected as if it had been there from the start with gradients of 0. With a head whose steps see
    all classes this does nothing. Raises ValueError where the optimiser does not have those parameters.
    """
    partial = head.partial
    if partial is None:
        return
    active = partial.active
    whole: dict[str, Tensor] = {}  # during a step: the state of all rows
    if not any(value is active for group in optimiser.param_groups for value in group["params"]):
        raise ValueError("the optimiser does not train this head: make it with head.trainable()")

    def of_rows(state: dict[str, Any]) -> dict[str, Tensor]:
        """The part of an optimiser's state that holds something for each entry of each centre."""
        return {name: value for name, value in state.items() if isinstance(value, Tensor) and value.ndim == active.ndim}

    def padded(value: Tensor) -> Tensor:
        """As long as ``active``, of which several processes take a changing part."""
        if len(value) == len(active):
            return value
        return torch.cat([value, value.new_zeros(len(active) - len(value), *value.shape[1:])])

    @torch.no_grad()
    def gather(*_: object) -> None:
        if active.grad is not None:
            whole.update(of_rows(optimiser.state[active]))
            optimiser.state[active].update({name: padded(value[partial.rows]) for name, value in whole.items()})

    @torch.no_grad()
    def scatter(*_: object) -> None:
        if active.grad is None:
            return
        count = len(partial.rows)
        head.centres.index_copy_(0, partial.rows, active[:count])
        for name, value in of_rows(optimiser.state[active]).items():
            held = whole.pop(name) if name in whole else value.new_zeros(head.centres.shape)
            optimiser.state[active][name] = held.index_copy_(0, partial.rows, value[:count])
        active.grad = None

    optimiser.register_step_pre_hook(gather)
    optimiser.register_step_post_hook(scatter)

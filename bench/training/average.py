"""The moving average of a backbone's weights, which is what is judged and kept in place of the last weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MovingAverage:
    """``backbone``: a copy of a network, in evaluation mode, whose weights follow it as an exponential moving average.

    A step moves each average by 1 − d of the way to the weight, d = min(decay, (1+t)/(10+t)) after t steps: at
    first the average follows fast, for what it starts from is no better than a guess (as TensorFlow's
    ``ExponentialMovingAverage`` with ``num_updates``). Running statistics are averaged like weights, since to first
    order those of the averaged weights are the average of those of the weights; whole numbers are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.backbone = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """One step towards ``network``; ``step``: how many were made before."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        means = [*self.backbone.parameters(), *self.backbone.buffers()]
        values = [*network.parameters(), *network.buffers()]
        moving = [(mean, value) for mean, value in zip(means, values, strict=True) if mean.is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in moving], [value for _, value in moving], weight)
        for mean, value in zip(means, values, strict=True):
            if not mean.is_floating_point():
                mean.copy_(value)

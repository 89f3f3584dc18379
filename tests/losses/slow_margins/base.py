"""What a twin of a margin says, in plain floats; as it stands, that of NormFace.

Nothing here shares code with ``bench.losses``. What a loss holds without gradient is worked out once, in ``prepare``,
at the point where the gradient is asked for; all else is a function of what is passed in, and so is differentiated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Point:
    """A batch: ``theta[i][j]`` of sample i to class j, ``norm[i]`` = ‖x_i‖, ``labels``, the margin's state before the
    batch (lists and floats), the step and ``generator(use)``, its stream."""

    theta: list[list[float]]
    norm: list[float]
    labels: list[int]
    state: dict
    generator: object = None
    step: int | None = None
    after: dict = field(default_factory=dict)


class SlowMargin:
    """``options``: all that a suite gives. ``point.after`` gets the state after the batch."""

    def __init__(self, options, point):
        self.options, self.point = options, point
        self.s = options.get("s", 1.0)
        self.prepare()

    def prepare(self):
        """Works out what is held without gradient."""

    def own(self, i):
        """θ of sample i to its own class at the point."""
        return self.point.theta[i][self.point.labels[i]]

    def psi(self, i, theta, norm):
        """ψ(θ) of sample i with ‖x‖ = norm."""
        return math.cos(theta)

    def factor(self, norm_x, norm_w):
        """The factor between ψ and the target's logit."""
        return self.s

    def negative(self, i, j, theta, norm_x, norm_w):
        """The logit of class j, or whatever ``loss`` adds up."""
        return self.factor(norm_x, norm_w) * math.cos(theta)

    def loss(self, i, target, negatives):
        """The loss of a sample from its target's logit and its negatives."""
        return math.log1p(math.fsum(math.exp(z - target) for z in negatives))

    def posterior(self, i, target, negatives):
        """p, or None for a loss that declares none."""
        return 1 / (1 + math.fsum(math.exp(z - target) for z in negatives))

    def satisfied(self, i, target, negatives):
        return all(target > z for z in negatives)

    def prefactor(self, i, factor):
        """s_i of the enhancing term."""
        return factor

    def extra(self, i, norm):
        """What is added to the loss of a sample."""
        return 0.0

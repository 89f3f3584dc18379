import math

from slow_margins.base import SlowMargin

STEP = 7


class Slow(SlowMargin):
    """At the contract tests' step."""

    def psi(self, i, theta, norm):
        m, k = self.options["m"], 0
        while m * theta >= (k + 1) * math.pi:
            k += 1
        full = (-1) ** k * math.cos(m * theta) - 2 * k
        beta = max(self.options["least"], self.options["most"] / (1 + self.options["decay"] * STEP))
        return (beta * math.cos(theta) + full) / (1 + beta)

    def factor(self, norm_x, norm_w):
        return norm_x

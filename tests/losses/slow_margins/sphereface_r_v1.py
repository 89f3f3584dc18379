import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def psi(self, i, theta, norm):
        m = self.options["m"]
        return math.cos(m * theta) if m * theta < math.pi else -1.0

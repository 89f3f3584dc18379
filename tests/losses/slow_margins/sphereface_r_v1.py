import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def psi(self, i, theta, norm):
        return math.cos(self.options["m"] * theta) if self.options["m"] * theta < math.pi else -1.0

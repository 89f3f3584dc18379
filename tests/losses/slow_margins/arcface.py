import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def psi(self, i, theta, norm):
        m = self.options["m"]
        if theta + m <= math.pi:
            return math.cos(theta + m)
        return math.cos(theta) - (m * math.sin(m) if self.options["fallback"] == "legacy" else 1 - math.cos(m))

import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def psi(self, i, theta, norm):
        m, k = self.options["m"], 0
        while m * theta >= (k + 1) * math.pi:
            k += 1
        return (-1) ** k * math.cos(m * theta) - 2 * k

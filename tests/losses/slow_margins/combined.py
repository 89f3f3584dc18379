import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def psi(self, i, theta, norm):
        m1, m2, m3 = (self.options[name] for name in ("m1", "m2", "m3"))
        if m1 * theta + m2 <= math.pi:
            return math.cos(m1 * theta + m2) - m3
        k = 0
        while m1 * theta >= (k + 1) * math.pi:
            k += 1
        return (-1) ** k * math.cos(m1 * theta) - 2 * k - 1 + math.cos(m2) - m3

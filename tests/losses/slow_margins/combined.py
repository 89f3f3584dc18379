import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def psi(self, i, theta, norm):
        m1, m2, m3 = (self.options[name] for name in ("m1", "m2", "m3"))
        if m1 * theta + m2 <= math.pi:
            return math.cos(m1 * theta + m2) - m3
        turns = math.floor(m1 * theta / math.pi)
        monotone = (-1) ** turns * math.cos(m1 * theta) - 2 * turns
        return monotone - 1 + math.cos(m2) - m3

import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def psi(self, i, theta, norm):
        return math.cos(theta) - self.options["m"]

    def negative(self, i, j, theta, norm_x, norm_w):
        c, w = math.cos(theta), self.options["weight"]
        if c <= self.psi(i, self.own(i), None):
            return self.s * c
        return self.s * (w * c + w - 1 if self.options["form"] == "adaptive" else c + w - 1)

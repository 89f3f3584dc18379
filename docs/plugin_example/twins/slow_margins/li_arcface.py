import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def psi(self, i, theta, norm):
        return (math.pi - 2 * (theta + self.options["m"])) / math.pi

    def negative(self, i, j, theta, norm_x, norm_w):
        return self.s * (math.pi - 2 * theta) / math.pi

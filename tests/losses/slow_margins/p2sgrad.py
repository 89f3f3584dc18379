import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def factor(self, norm_x, norm_w):
        return 1.0

    def negative(self, i, j, theta, norm_x, norm_w):
        return self.options["weight"] * math.cos(theta) ** 2 / 2

    def loss(self, i, target, negatives):
        return self.options["weight"] * (1 - target) ** 2 / 2 + math.fsum(negatives)

    def posterior(self, i, target, negatives):
        return None

    def satisfied(self, i, target, negatives):
        return None

    def prefactor(self, i, factor):
        return self.options["weight"]

import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def negative(self, i, j, theta, norm_x, norm_w):
        nearer = math.cos(theta / self.options["m"])
        if self.options["margin_gradient"] == "straight_through":
            at = self.point.theta[i][j]
            nearer = math.cos(theta) + math.cos(at / self.options["m"]) - math.cos(at)
        return self.s * nearer

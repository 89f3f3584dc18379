import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    """With the straight-through gradient the distance of cos(θ/m) from cos θ is held at the point."""

    def raised(self, theta):
        return math.cos(theta / self.options["m"])

    def negative(self, i, j, theta, norm_x, norm_w):
        if self.options["negative_gradient"] == "true":
            return self.s * self.raised(theta)
        there = self.point.theta[i][j]
        return self.s * (math.cos(theta) + self.raised(there) - math.cos(there))

import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    """The sigmoids are worked out at the point and held there."""

    def prepare(self):
        k, s = self.options["k"], self.options["s"]
        indices = range(len(self.point.labels))
        self.pull = [s / (1 + math.exp(-k * (self.own(i) - self.options["a"]))) for i in indices]
        self.push = [[s / (1 + math.exp(k * (t - self.options["b"]))) for t in row] for row in self.point.theta]

    def factor(self, norm_x, norm_w):
        return 1.0

    def negative(self, i, j, theta, norm_x, norm_w):
        return self.push[i][j] * math.cos(theta)

    def loss(self, i, target, negatives):
        return math.fsum(negatives) - self.pull[i] * target

    def posterior(self, i, target, negatives):
        return None

    def satisfied(self, i, target, negatives):
        return None

    def prefactor(self, i, factor):
        return self.options["s"]

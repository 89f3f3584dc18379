import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def prepare(self):
        self.bias = self.point.state["bias"]

    def factor(self, norm_x, norm_w):
        return 1.0

    def psi(self, i, theta, norm):
        return math.cos(theta) - self.options["m"]

    def negative(self, i, j, theta, norm_x, norm_w):
        return self.options["balance"] * math.log1p(math.exp(self.s * math.cos(theta) - self.bias))

    def loss(self, i, target, negatives):
        return math.log1p(math.exp(self.bias - self.s * target)) + math.fsum(negatives)

    def posterior(self, i, target, negatives):
        return 1 / (1 + math.exp(self.bias - self.s * target))

    def satisfied(self, i, target, negatives):
        return all(target > math.cos(t) for j, t in enumerate(self.point.theta[i]) if j != self.point.labels[i])

    def prefactor(self, i, factor):
        return self.s

import math

from slow_margins.base import SlowMargin


def similarity(theta, t):
    return 2 * ((math.cos(theta) + 1) / 2) ** t - 1


class Slow(SlowMargin):
    """Binary cross-entropies; under straight-through the others' distance from their cosines is held at the point."""

    def prepare(self):
        self.bias = self.point.state["bias"]
        self.straight = self.options["margin_gradient"] == "straight_through"
        t, m = self.options["t"], self.options["m"]
        self.raised = [[similarity(theta, t) + m for theta in row] for row in self.point.theta]

    def factor(self, norm_x, norm_w):
        return 1.0

    def psi(self, i, theta, norm):
        return similarity(theta, self.options["t"]) - self.options["m"]

    def negative(self, i, j, theta, norm_x, norm_w):
        if self.straight:
            value = self.raised[i][j] + math.cos(theta) - math.cos(self.point.theta[i][j])
        else:
            value = similarity(theta, self.options["t"]) + self.options["m"]
        r, alpha = self.options["r"], self.options["alpha"]
        return self.options["weight"] * (1 - alpha) / r * math.log1p(math.exp(r * value + self.bias))

    def loss(self, i, target, negatives):
        r, alpha = self.options["r"], self.options["alpha"]
        own = self.options["weight"] * alpha / r * math.log1p(math.exp(-r * target - self.bias))
        return own + math.fsum(negatives)

    def posterior(self, i, target, negatives):
        return 1 / (1 + math.exp(-self.options["r"] * target - self.bias))

    def satisfied(self, i, target, negatives):
        return all(target > z for j, z in enumerate(self.raised[i]) if j != self.point.labels[i])

    def prefactor(self, i, factor):
        return self.options["weight"] * self.options["alpha"]

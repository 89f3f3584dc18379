import math

from slow_margins.arcface import Slow as SlowArcFace


class Slow(SlowArcFace):
    """The paper's form: the exponential of a hard negative is multiplied by h, with t = w − 1."""

    def prepare(self):
        self.options = {**self.options, "fallback": "monotone"}

    def negative(self, i, j, theta, norm_x, norm_w):
        c, t = math.cos(theta), self.options["w"] - 1
        if self.psi(i, self.own(i), None) - c >= 0:
            return self.s * c
        h = math.exp(self.s * t * (c + 1 if self.options["weighting"] == "adaptive" else 1))
        return math.log(h * math.exp(self.s * c))

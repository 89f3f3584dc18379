import math

from slow_margins.arcface import Slow as SlowArcFace


class Slow(SlowArcFace):
    """Eq. 5–7 of arXiv:2004.00288, with t following the batch before it is used."""

    def prepare(self):
        mean = math.fsum(math.cos(self.own(i)) for i in range(len(self.point.labels))) / len(self.point.labels)
        rate = self.options["rate"]
        self.t = (1 - rate) * self.point.state["t"] + rate * mean
        self.point.after["t"] = self.t

    def negative(self, i, j, theta, norm_x, norm_w):
        threshold, c = self.psi(i, self.own(i), None), math.cos(theta)
        return self.s * (c * (self.t + c) if c > threshold else c)

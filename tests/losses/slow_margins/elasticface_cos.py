import math

from slow_margins.base import SlowMargin
from slow_margins.elasticface_arc import drawn


class Slow(SlowMargin):
    def prepare(self):
        self.m = drawn(self, 1.0)

    def psi(self, i, theta, norm):
        return math.cos(theta) - self.m[i]

import math

from slow_margins.elasticface_arc import Slow as SlowArc


class Slow(SlowArc):
    most = 1.0

    def psi(self, i, theta, norm):
        return math.cos(theta) - self.m[i]

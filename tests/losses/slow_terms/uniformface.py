import math

from slow_terms.base import SlowPairs


class Slow(SlowPairs):
    def pair(self, theta):
        return 1 / (math.dist((1, 0), (math.cos(theta), math.sin(theta))) + 1)

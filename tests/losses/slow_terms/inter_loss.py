import math

from slow_terms.base import SlowPairs


class Slow(SlowPairs):
    def first(self, W):
        return self.labels

    def pair(self, theta):
        return -theta / math.pi

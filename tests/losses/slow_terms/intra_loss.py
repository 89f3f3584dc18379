import math

from loss_twin import angle

from slow_terms.base import SlowTerm


class Slow(SlowTerm):
    def value(self, X, W, rows=None):
        return math.fsum(angle(x, W[y]) / math.pi for x, y in zip(X, self.labels, strict=True)) / len(X)

import math

from slow_terms.base import SlowTerm


class Slow(SlowTerm):
    """Eq. 2 (its mean) and 4 of the paper, a class at a time."""

    def value(self, X, W, rows=None):
        means = self.state["means"]
        return math.fsum(math.dist(x, means[y]) ** 2 for x, y in zip(X, self.labels, strict=True)) / (2 * len(X))

    def after(self, X):
        means = [list(mean) for mean in self.state["means"]]
        for j in set(self.labels):
            mine = [x for x, y in zip(X, self.labels, strict=True) if y == j]
            for k, c in enumerate(self.state["means"][j]):
                delta = math.fsum(c - x[k] for x in mine) / (1 + len(mine))
                means[j][k] = c - self.options["alpha"] * delta
        return {"means": means}

"""A slow second implementation of every loss, in plain Python floats: loops, ``math``, central differences.

It shares no code with ``bench.losses``. What the specification holds without gradient (gates, s_i, and under
straight-through the distance of ψ from cos θ) is frozen at the point where the gradient is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from slow_gates import slow_gate
from slow_margins import slow_margin
from slow_margins.base import Point


def dot(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def norm(a):
    return math.sqrt(dot(a, a))


def unit(a):
    length = norm(a)
    return [v / length for v in a]


def angle(a, b):
    """Kahan's formula, which unlike acos loses no digits anywhere."""
    a, b = unit(a), unit(b)
    return 2 * math.atan2(
        norm([p - q for p, q in zip(a, b, strict=True)]), norm([p + q for p, q in zip(a, b, strict=True)])
    )


PHI = {
    "matched": lambda theta, psi: -psi,
    "cosine": lambda theta, psi: 1 - math.cos(theta),
    "angle": lambda theta, psi: theta,
    "squared": lambda theta, psi: theta * theta / 2,
}


def residual(x, w):
    x, w = unit(x), unit(w)
    along = dot(x, w)
    r = [a - along * b for a, b in zip(x, w, strict=True)]
    return [0.0] * len(r) if norm(r) < 1e-4 else unit(r)


def spectral_steps(state, X, W, labels):
    """The buffers after the samples of a batch, one after the other, as the specification's table writes it."""
    direction, share = [list(u) for u in state["direction"]], list(state["share"])
    for x, y in zip(X, labels, strict=True):
        r, w, u = residual(x, W[y]), unit(W[y]), direction[y]
        along = dot(r, u)
        moved = [a + 0.05 * along * b for a, b in zip(u, r, strict=True)]
        height = dot(moved, w)
        direction[y] = unit([a - height * b for a, b in zip(moved, w, strict=True)])
        share[y] = 0.95 * share[y] + 0.05 * along**2
    return {"direction": direction, "share": share}


@dataclass
class Sample:
    theta: float
    scale: float
    psi: float
    p: float | None
    satisfied: bool
    residual: list[float]
    base: float


def nearest(x, w):
    """A class's centre: itself, or of several the nearest."""
    return min(w, key=lambda v: angle(x, v)) if isinstance(w[0], list) else w


class Twin:
    """The loss of the whole batch, at one point (X, W) and around it. W holds a vector a class, or K."""

    def __init__(self, margin, enhancement, X, W, labels, state=None, margin_state=None, generator=None, step=None):
        options = {k: v for k, v in margin.items() if k != "name"}
        self.labels, self.enhancement = labels, enhancement
        thetas = [[angle(x, nearest(x, w)) for w in W] for x in X]
        self.point = Point(thetas, [norm(x) for x in X], labels, margin_state or {}, generator, step)
        self.margin = slow_margin(margin["name"])(options, self.point)
        self.offsets = None
        if margin.get("margin_gradient") == "straight_through":
            own = [thetas[i][y] for i, y in enumerate(labels)]
            self.offsets = [self.margin.psi(i, t, self.point.norm[i]) - math.cos(t) for i, t in enumerate(own)]
        self.frozen = None
        if enhancement is not None:
            gate = enhancement["gate"]
            self.frozen = [
                (self.margin.prefactor(i, s.scale), slow_gate(gate["name"])(gate, s, state, y))
                for i, (s, y) in enumerate(zip(self.samples(X, W), labels, strict=True))
            ]

    def _psi(self, i, theta, length):
        return math.cos(theta) + self.offsets[i] if self.offsets else self.margin.psi(i, theta, length)

    def samples(self, X, W):
        out = []
        for i, (x, y) in enumerate(zip(X, self.labels, strict=True)):
            length = norm(x)
            centres = [nearest(x, w) for w in W]
            theta, factor = angle(x, centres[y]), self.margin.factor(length, norm(centres[y]))
            psi = self._psi(i, theta, length)
            others = [self.margin.negative(i, j, angle(x, w), length, norm(w)) for j, w in enumerate(centres) if j != y]
            base = self.margin.loss(i, factor * psi, others) + self.margin.extra(i, length)
            p = self.margin.posterior(i, factor * psi, others)
            satisfied = self.margin.satisfied(i, factor * psi, others)
            out.append(Sample(theta, factor, psi, p, satisfied, residual(x, centres[y]), base))
        return out

    def value(self, X, W):
        samples = self.samples(X, W)
        total = math.fsum(s.base for s in samples)
        if self.enhancement is not None:
            phi = PHI[self.enhancement["profile"]["name"]]
            total += self.enhancement["strength"] * math.fsum(
                scale * gate * phi(s.theta, self._psi(i, s.theta, self.point.norm[i]))
                for i, (s, (scale, gate)) in enumerate(zip(samples, self.frozen, strict=True))
            )
        return total / len(samples)

    def gradients(self, X, W, h=1e-5):
        """Central differences of :meth:`value` in every entry of X and of W, with Richardson's correction."""

        def difference(row, k, step):
            kept = row[k]
            row[k] = kept + step
            above = self.value(X, W)
            row[k] = kept - step
            below = self.value(X, W)
            row[k] = kept
            return (above - below) / (2 * step)

        def of(table):
            if isinstance(table[0], list):
                return [of(part) for part in table]
            return [(4 * difference(table, k, h) - difference(table, k, 2 * h)) / 3 for k in range(len(table))]

        return of(X), of(W)

"""A slow second implementation of every loss, in plain Python floats: loops, ``math``, central differences.

It shares no code with ``bench.losses``. What the specification holds without gradient (gates, s_i, and under
straight-through the distance of ψ from cos θ) is frozen at the point where the gradient is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Matrix = list[list[float]]


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


def slow_arcface(theta, m, fallback):
    if theta + m <= math.pi:
        return math.cos(theta + m)
    return math.cos(theta) - (m * math.sin(m) if fallback == "legacy" else 1 - math.cos(m))


def slow_sphereface(theta, m):
    k = 0
    while m * theta >= (k + 1) * math.pi:
        k += 1
    return (-1) ** k * math.cos(m * theta) - 2 * k


PSI = {
    "softmax": math.cos,
    "normface": math.cos,
    "cosface": lambda theta, m: math.cos(theta) - m,
    "sphereface": slow_sphereface,
    "arcface": slow_arcface,
}
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


def slow_gate(gate, sample, state, label):
    if gate["name"] == "posterior":
        return sample.p ** gate["gamma"]
    if gate["name"] == "uniform":
        return 1.0
    if gate["name"] == "satisfied":
        return float(all(sample.target > z for z in sample.negatives))
    assert gate["name"] == "spectral"
    d = len(sample.residual)
    a = (state["share"][label] - 1 / (d - 1)) / (1 - 1 / (d - 1))
    return min(max(a, 0.0), 1.0) * dot(sample.residual, state["direction"][label]) ** 2


GATES = {"posterior", "uniform", "satisfied", "spectral"}


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
    target: float
    negatives: list[float]
    p: float
    scale: float
    psi: float
    residual: list[float]
    base: float


class Twin:
    """The loss of the whole batch, at one point (X, W) and around it."""

    def __init__(self, margin, enhancement, X: Matrix, W: Matrix, labels, state=None):
        self.psi_options = {k: v for k, v in margin.items() if k not in ("name", "s", "margin_gradient")}
        self.name, self.s = margin["name"], margin.get("s")
        self.labels, self.enhancement = labels, enhancement
        straight = margin.get("margin_gradient") == "straight_through"
        self.offsets = [
            self._psi(angle(x, W[y])) - math.cos(angle(x, W[y])) if straight else None
            for x, y in zip(X, labels, strict=True)
        ]
        samples = self.samples(X, W)
        self.frozen = None
        if enhancement is not None:
            gate = enhancement["gate"]
            self.frozen = [(s.scale, slow_gate(gate, s, state, y)) for s, y in zip(samples, labels, strict=True)]

    def _psi(self, theta):
        return PSI[self.name](theta, **self.psi_options)

    def samples(self, X, W):
        out = []
        for i, (x, y) in enumerate(zip(X, self.labels, strict=True)):
            theta = angle(x, W[y])
            psi = self._psi(theta) if self.offsets[i] is None else math.cos(theta) + self.offsets[i]
            scale = norm(x) * norm(W[y]) if self.name == "softmax" else self.s
            others = [w for j, w in enumerate(W) if j != y]
            negatives = [dot(x, w) if self.name == "softmax" else self.s * math.cos(angle(x, w)) for w in others]
            odds = math.fsum(math.exp(z - scale * psi) for z in negatives)
            out.append(
                Sample(theta, scale * psi, negatives, 1 / (1 + odds), scale, psi, residual(x, W[y]), math.log1p(odds))
            )
        return out

    def value(self, X, W):
        samples = self.samples(X, W)
        total = math.fsum(s.base for s in samples)
        if self.enhancement is not None:
            phi = PHI[self.enhancement["profile"]["name"]]
            total += self.enhancement["strength"] * math.fsum(
                scale * gate * phi(s.theta, s.psi) for s, (scale, gate) in zip(samples, self.frozen, strict=True)
            )
        return total / len(samples)

    def gradients(self, X, W, h=1e-5):
        """Central differences of :meth:`value` in every entry of X and of W, with Richardson's correction."""

        def difference(table, i, k, step):
            kept = table[i][k]
            table[i][k] = kept + step
            above = self.value(X, W)
            table[i][k] = kept - step
            below = self.value(X, W)
            table[i][k] = kept
            return (above - below) / (2 * step)

        return tuple(
            [
                [(4 * difference(T, i, k, h) - difference(T, i, k, 2 * h)) / 3 for k in range(len(T[0]))]
                for i in range(len(T))
            ]
            for T in (X, W)
        )

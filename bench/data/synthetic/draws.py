"""Random streams by name, and tables of parameters drawn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def stream(*names: str | int) -> np.random.Generator:
    """A generator that depends on ``names`` only, through sha256, never on what was drawn before."""
    digest = hashlib.sha256("\x1f".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


@dataclass(frozen=True)
class Parameter:
    """A number drawn from ``mean + spread · clipped normal``, then limited to [low, high]."""

    name: str
    mean: float
    spread: float
    low: float = -np.inf
    high: float = np.inf


def draw(parameters: Sequence[Parameter], rng: np.random.Generator) -> dict[str, float]:
    """One value per parameter. Normals are clipped at ±2, so that nobody is a monster."""
    normals = rng.standard_normal(len(parameters)).clip(-2, 2).tolist()
    return {
        p.name: min(max(p.mean + p.spread * normal, p.low), p.high)
        for p, normal in zip(parameters, normals, strict=True)
    }

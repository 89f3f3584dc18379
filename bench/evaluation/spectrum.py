"""The spectrum of the scatter within identities, and what it would be if each spread alike in every direction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.evaluation.geometry import Floats, around_mean, equal_groups, spreads
from bench.suite.seeds import seed_for


def spectra(embeddings: npt.ArrayLike, identity: npt.ArrayLike, *, seed: int = 0) -> dict[str, np.ndarray]:
    """``spectrum`` and ``spectrum_null``, (d,) float32 each, falling and of sum 1; empty where nothing has a scatter.

    The eigenvalues of the covariance of embeddings (N, d) within identities (N,), of the same images as `measure` takes
    by the same ``seed``, each across its identity's mean direction and all identities together; the first is the
    top-axis share. The null is that of the same identities with the same scatter each, normal and isotropic across the
    same mean: what so few images read where nothing is to be read. Raises as `measure` does.
    """
    group, _ = equal_groups(embeddings, identity, np.random.default_rng(seed_for("geometry", seed=seed)))
    mean, _, residual = around_mean(group)
    spread = spreads(residual) if len(group) else np.zeros(0, bool)
    if not spread.any():
        return {}
    mean, residual = mean[spread], residual[spread]
    null = np.random.default_rng(seed_for("spectrum null", seed=seed)).standard_normal(residual.shape)
    null -= np.einsum("ind,id->in", null, mean)[..., None] * mean[:, None]
    null -= null.mean(axis=1, keepdims=True)
    null *= np.sqrt(_scatter(residual) / _scatter(null))
    return {"spectrum": _eigenvalues(residual), "spectrum_null": _eigenvalues(null)}


def _scatter(residual: Floats) -> Floats:
    """(I, 1, 1) of (I, n, d)."""
    total: Floats = np.square(residual).sum(axis=(1, 2), keepdims=True)
    return total


def _eigenvalues(residual: Floats) -> npt.NDArray[np.float32]:
    rows = residual.reshape(-1, residual.shape[2])
    values = np.linalg.eigvalsh(rows.T @ rows)[::-1].clip(min=0)
    return np.ascontiguousarray(values / values.sum(), dtype=np.float32)

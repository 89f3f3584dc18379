"""The spectrum within identities, against numpy in float64, identity by identity."""

from __future__ import annotations

import numpy as np
import pytest

from bench.evaluation.geometry import measure
from bench.evaluation.spectrum import spectra

IDENTITIES, IMAGES, DIMENSION = 30, 8, 12


def embeddings(spread: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((IDENTITIES, DIMENSION))
    rows = np.repeat(means, IMAGES, axis=0) + spread * rng.standard_normal((IDENTITIES * IMAGES, DIMENSION))
    return rows, np.repeat(np.arange(IDENTITIES), IMAGES)


def test_eigenvalues_are_those_of_the_scatter_across_each_mean() -> None:
    rows, identity = embeddings(np.geomspace(1, 0.05, DIMENSION))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scatter = np.zeros((DIMENSION, DIMENSION))
    for person in range(IDENTITIES):
        own = unit[identity == person]
        mean = own.sum(axis=0) / np.linalg.norm(own.sum(axis=0))
        for image in own:
            across = image - (image @ mean) * mean
            scatter += np.outer(across, across)
    values = np.linalg.eigvalsh(scatter)[::-1]
    found = spectra(rows, identity)["spectrum"]
    assert found.dtype == np.float32
    assert found == pytest.approx(values / values.sum(), abs=1e-6)
    assert found[0] == pytest.approx(measure(rows, identity).top_axis_share, rel=1e-6)


def test_the_null_is_flat_where_the_measured_one_is_not() -> None:
    """And on isotropic identities both read the same, but for chance."""
    steep = spectra(*embeddings(np.geomspace(1, 0.05, DIMENSION)))
    assert steep["spectrum"][0] > 2 * steep["spectrum_null"][0]
    rows, identity = embeddings(np.full(DIMENSION, 0.2), seed=1)
    flat = spectra(rows, identity)
    assert flat["spectrum"] == pytest.approx(flat["spectrum_null"], abs=0.03)
    for array in (*steep.values(), *flat.values()):
        assert array.sum() == pytest.approx(1)
        assert (np.diff(array) <= 0).all()
        assert array.shape == (DIMENSION,)


def test_the_same_embeddings_give_the_same_spectra_and_none_give_none() -> None:
    rows, identity = embeddings(np.ones(DIMENSION))
    first, second = spectra(rows, identity, seed=3), spectra(rows, identity, seed=3)
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    assert spectra(rows, np.arange(len(rows))) == {}
    assert spectra(np.repeat(rows[::IMAGES], IMAGES, axis=0), identity) == {}

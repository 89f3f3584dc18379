"""The least-squares similarity, against slow twins and transforms that are known."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.alignment.similarity import TEMPLATE, Similarity, fit, template

similarities = st.builds(
    lambda scale, angle, x, y: Similarity(cmath.rect(scale, angle), complex(x, y)),
    st.floats(0.05, 20),
    st.floats(-math.pi, math.pi),
    st.floats(-500, 500),
    st.floats(-500, 500),
)
noise = st.lists(st.floats(-8, 8), min_size=10, max_size=10).map(lambda values: np.array(values).reshape(5, 2))


def by_normal_equations(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3): x' = a x − b y + c, y' = b x + a y + d, its four unknowns by the normal equations."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source.tolist(), target.tolist(), strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        values += [u, v]
    A, right = np.array(rows), np.array(values)
    a, b, c, d = np.linalg.solve(A.T @ A, A.T @ right)
    return np.array([[a, -b, c], [b, a, d]])


def by_umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3): Umeyama's equations 40 to 42 as they stand, with the singular values."""
    mean_x, mean_y = source.mean(0), target.mean(0)
    covariance = (target - mean_y).T @ (source - mean_x) / len(source)
    U, D, V = np.linalg.svd(covariance)
    S = np.diag([1.0, np.sign(np.linalg.det(U) * np.linalg.det(V))])
    R = U @ S @ V
    c = np.trace(np.diag(D) @ S) / ((source - mean_x) ** 2).sum(1).mean()
    return np.column_stack([c * R, mean_y - c * R @ mean_x])


def matrix(similarity: Similarity) -> np.ndarray:
    t, s = similarity.turn, similarity.shift
    return np.array([[t.real, -t.imag, s.real], [t.imag, t.real, s.imag]])


@given(similarities)
def test_a_known_similarity_is_recovered(known: Similarity) -> None:
    source = known.inverse()(TEMPLATE)
    np.testing.assert_allclose(fit(source, TEMPLATE)(source), TEMPLATE, atol=1e-9)
    assert fit(source, TEMPLATE).turn == pytest.approx(known.turn, rel=1e-9)
    np.testing.assert_allclose(known.inverse()(known(source)), source, atol=1e-9)


@given(similarities, noise)
def test_noisy_points_give_the_least_squares_of_two_twins(known: Similarity, noise: np.ndarray) -> None:
    source = known.inverse()(TEMPLATE + noise)
    found = matrix(fit(source, TEMPLATE))
    size = np.abs(found).max()
    np.testing.assert_allclose(found, by_normal_equations(source, TEMPLATE), atol=1e-6 * size)
    np.testing.assert_allclose(found, by_umeyama(source, TEMPLATE), atol=1e-6 * size)


@pytest.mark.parametrize("points", [TEMPLATE[[1, 0, 2, 4, 3]], TEMPLATE * (-1, 1)], ids=["swapped", "mirrored"])
def test_left_and_right_swapped_give_no_reflection_but_an_error(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match="left and right swapped"):
        fit(points, TEMPLATE)


def test_a_profile_whose_eyes_cross_by_a_pixel_is_fitted() -> None:
    profile = TEMPLATE * (0.1, 1)
    profile[[0, 1], 0] = profile[[1, 0], 0]
    np.testing.assert_allclose(matrix(fit(profile, TEMPLATE)), by_umeyama(profile, TEMPLATE), atol=1e-9)


@given(noise, similarities)
def test_whatever_the_points_nothing_is_reflected(noise: np.ndarray, known: Similarity) -> None:
    try:
        found = fit(known(TEMPLATE + 5 * noise), TEMPLATE)
    except ValueError:
        return
    assert np.linalg.det(matrix(found)[:, :2]) > 0


def test_points_on_a_line_will_do() -> None:
    line = np.array([(10.0, 10), (10, 10), (10, 30), (10, 50), (10, 50)])
    found = fit(line, TEMPLATE)
    np.testing.assert_allclose(matrix(found), by_normal_equations(line, TEMPLATE), atol=1e-9)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (np.full((5, 2), 3e5), "coincide"),
        (np.zeros((5, 2)), "coincide"),
        (np.where(TEMPLATE > 80, np.nan, TEMPLATE), "not a finite number"),
        (np.where(TEMPLATE > 80, np.inf, TEMPLATE), "not a finite number"),
    ],
)
def test_points_that_give_no_similarity_are_refused(points: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fit(points, TEMPLATE)


def test_the_template_scales_with_the_side() -> None:
    np.testing.assert_array_equal(template(112), TEMPLATE)
    np.testing.assert_allclose(template(224), 2 * TEMPLATE)
    assert TEMPLATE[0, 0] < TEMPLATE[1, 0], "the left eye is the image's left"

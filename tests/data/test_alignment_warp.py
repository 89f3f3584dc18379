"""Where the pixels go, and what becomes of fine detail."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
from PIL import Image

from bench.data.alignment.similarity import TEMPLATE, Similarity, fit, template
from bench.data.alignment.warp import warp


def face(points: np.ndarray, size: tuple[int, int], radius: float, only: int) -> Image.Image:
    """A black image with a soft white spot on one of the points."""
    y, x = np.mgrid[: size[1], : size[0]]
    spot = 255 * np.exp(-((x - points[only, 0]) ** 2 + (y - points[only, 1]) ** 2) / (2 * radius**2))
    return Image.fromarray(np.repeat(spot[..., None], 3, -1).round().astype(np.uint8))


def spot(image: Image.Image) -> np.ndarray:
    """The centre of what is bright."""
    light = np.asarray(image, np.float64)[..., 0]
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    return np.array([(light * x).sum(), (light * y).sum()]) / light.sum()


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("pixels", [56, 112, 160])
@pytest.mark.parametrize("scale", [0.15, 0.9, 2.5])
def test_each_point_of_a_face_lands_on_its_place_in_the_template(scale: float, pixels: int, antialias: bool) -> None:
    known = Similarity(cmath.rect(scale, 0.4), complex(3.3, -8.1))
    points = known.inverse()(TEMPLATE)
    points += 45 / scale - points.min(0)
    size = tuple((points.max(0) + 45 / scale).astype(int))
    found = fit(points, template(pixels))
    for only in range(5):
        moved = warp(face(points, size, max(2, 2 / scale), only), found, pixels, antialias=antialias)
        assert moved.size == (pixels, pixels)
        np.testing.assert_allclose(spot(moved), template(pixels)[only], atol=0.1)


def test_the_identity_keeps_every_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    kept = warp(Image.fromarray(pixels), Similarity(1, 0), 40)
    np.testing.assert_array_equal(np.asarray(kept), pixels)


def test_a_quarter_turn_moves_pixels_whole() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    turned = warp(Image.fromarray(pixels), Similarity(1j, 8), 9)  # (x, y) to (8 − y, x)
    np.testing.assert_array_equal(np.asarray(turned), np.rot90(pixels, -1))


@pytest.mark.parametrize("reduction", [3, 4, 5, 7.5, 9, 33])
def test_detail_too_fine_for_the_result_is_averaged_and_not_aliased(reduction: float) -> None:
    side = int(40 * reduction)
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    half = 0.5 + 0.5j
    shrink = Similarity(1 / reduction, half / reduction - half)
    smooth, rough = (
        np.asarray(warp(Image.fromarray(noise), shrink, 40, antialias=a), np.float64)[2:-2, 2:-2] for a in (True, False)
    )
    assert smooth.std() < 1.1 * noise.std() / reduction, "the mean of a pixel's whole area"
    assert rough.std() > 0.4 * noise.std()


def test_outside_of_the_image_it_is_black() -> None:
    white = Image.new("RGB", (10, 10), "white")
    moved = np.asarray(warp(white, Similarity(1, 5 + 5j), 20))
    assert (moved[5:15, 5:15] == 255).all()
    assert moved.sum() == 100 * 3 * 255


def test_a_face_far_larger_than_its_image_is_bounded_work() -> None:
    moved = warp(Image.new("RGB", (10, 10), "white"), Similarity(1e-12, 0), 112)
    assert moved.size == (112, 112)

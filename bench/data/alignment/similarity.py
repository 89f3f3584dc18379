"""The similarity transform (turn, scale, shift; never a reflection) that brings five landmarks to the template.

Points are (x, y) in pixels, x to the right and y down; whole numbers are the centres of pixels, as in OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

TEMPLATE_PIXELS = 112
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float64
)
"""Where InsightFace (the ArcFace authors' code) puts the eyes, the nose and the corners of the mouth in 112×112.

Left and right are the image's: the left eye is the one at the smaller x, the subject's right.
"""
POINT_NAMES = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")

# The eyes of a full profile may cross by a pixel or two; swapped landmarks fit a mirrored face over 4 times as well.
MIRRORED = 2.0


@dataclass(frozen=True)
class Similarity:
    """z ↦ turn·z + shift on z = x + iy: |turn| is the scale, its argument the angle."""

    turn: complex
    shift: complex

    def __call__(self, points: Points) -> Points:
        """(..., 2) to (..., 2)."""
        moved = self.turn * (points[..., 0] + 1j * points[..., 1]) + self.shift
        return np.stack([moved.real, moved.imag], -1)

    def inverse(self) -> Similarity:
        return Similarity(1 / self.turn, -self.shift / self.turn)


def template(pixels: int) -> Points:
    """(5, 2): the template for images of this side. All coordinates scale with it, as in InsightFace."""
    return TEMPLATE * (pixels / TEMPLATE_PIXELS)


def fit(source: Points, target: Points) -> Similarity:
    """The similarity that takes ``source`` (K, 2) nearest to ``target`` (K, 2) in the sum of squared distances.

    Umeyama, Least-Squares Estimation of Transformation Parameters Between Two Point Patterns, PAMI 1991, eqs. 40–42.
    In the plane his solution without reflection is the linear regression of complex numbers. Points on one line will
    do. Raises ValueError where points are not finite or coincide, or where a mirrored face fits far better: then
    left and right are swapped.
    """
    if not np.isfinite(source).all():
        raise ValueError("a landmark is not a finite number")
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    from_centre, to_centre = z.mean(), w.mean()
    z, w = z - from_centre, w - to_centre
    spread = np.vdot(z, z).real
    if not spread > 1e-12 * (1 + abs(from_centre)) ** 2:
        raise ValueError("the landmarks coincide")
    turn, mirrored = complex(np.vdot(z, w)), complex(z @ w)
    if abs(mirrored) > MIRRORED * abs(turn):
        raise ValueError("a mirrored face fits the landmarks far better: are left and right swapped?")
    if not abs(turn) > 1e-6 * np.sqrt(spread * np.vdot(w, w).real):
        raise ValueError("the landmarks are not arranged like a face")
    turn /= spread
    return Similarity(turn, complex(to_centre - turn * from_centre))

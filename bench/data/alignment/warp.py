"""An image moved by a similarity."""

from __future__ import annotations

import math

from PIL import Image

from bench.data.alignment.similarity import Similarity

# Beyond this many source pixels a target pixel, whole blocks are averaged first, which bounds the work.
FINE = 4


def warp(image: Image.Image, similarity: Similarity, pixels: int, *, antialias: bool = True) -> Image.Image:
    """The part of an RGB image that ``similarity`` takes to [0, pixels)², black where the image does not reach.

    Bilinear. ``antialias``: where the image shrinks, a pixel is the mean of k×k bilinear samples, k the source pixels
    a target pixel covers, rounded up; without it one sample a pixel, which is what InsightFace does. Both are the same
    where the image grows.
    """
    back = similarity.inverse()
    reduction = abs(back.turn)
    # The caps only matter where landmarks lie far outside of the image.
    blocks = max(1, min(int(reduction // FINE), *image.size)) if antialias else 1
    samples = max(1, min(math.ceil(reduction / blocks - 1e-9), 2 * FINE)) if antialias else 1
    if blocks > 1:
        image = image.reduce(blocks)
    # Pillow puts the centre of the first pixel at (½, ½), landmarks at (0, 0).
    half = 0.5 + 0.5j
    turn = back.turn / (blocks * samples)
    shift = (back.shift + half - back.turn * half) / blocks
    side = pixels * samples
    moved = image.transform(
        (side, side),
        Image.Transform.AFFINE,
        (turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag),
        Image.Resampling.BILINEAR,
    )
    return moved.reduce(samples) if samples > 1 else moved

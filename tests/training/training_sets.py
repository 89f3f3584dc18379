"""Packed images of noise, for what trains on them for a few steps."""

import numpy as np

from bench.data.packed import open_packed, pack
from bench.data.types import ImageList


def packed(folder, *, people, each, pixels=32):
    """``each`` images of each person, opened; ``folder`` is the cache as well."""
    from PIL import Image

    draw, names = np.random.default_rng(0), [f"{i:03}.png" for i in range(people * each)]
    for name in names:
        Image.fromarray(draw.integers(0, 255, (pixels, pixels, 3), np.uint8)).save(folder / name)
    labels = np.repeat(np.arange(people), each).astype(np.int64)
    listed = ImageList(folder, tuple(names), labels, tuple(f"person {i}" for i in range(people)))
    return open_packed(folder, pack(listed, pixels=pixels, cache=folder))

"""The first class centres: the same whatever process keeps them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ROWS = 2**16  # classes drawn at a time


def first_centres(
    classes: int, each: int, embedding: int, generator: torch.Generator, kept: range | None = None
) -> Tensor:
    """Those of the classes ``kept`` (None: all), (n, d), or (n, K, d) for ``each`` = K > 1; from N(0, 1/d), so that
    their norm is near 1 whatever d is.

    The others are drawn as well and dropped a block at a time. The first of several is what a class with one has.
    """
    kept = range(classes) if kept is None else kept
    first = _normal(classes, (embedding,), generator, kept)
    if each > 1:
        first = torch.cat([first[:, None], _normal(classes, (each - 1, embedding), generator, kept)], dim=1)
    return first.div_(math.sqrt(embedding))


def _normal(count: int, shape: tuple[int, ...], generator: torch.Generator, kept: range) -> Tensor:
    """The rows ``kept`` of (count, *shape) standard normal numbers."""
    rows = torch.empty(len(kept), *shape)
    for start in range(0, count, ROWS):
        block = torch.randn(min(ROWS, count - start), *shape, generator=generator)
        first, last = max(start, kept.start), min(start + len(block), kept.stop)
        if first < last:
            rows[first - kept.start : last - kept.start] = block[first - start : last - start]
    return rows

"""Functions of the angles between class centres. Their (n, n) matrix is made a tile at a time, never whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.losses.angles import safe_angle
from bench.losses.product import tiny

SIDE = 2048  # centres along each side of a tile
COINCIDENT = 16  # epsilons below 1 from which a cosine may be that of equal centres: no direction leads them apart

Energy = Callable[[Tensor], Tensor]
"""Angles between centres, radians -> their values, elementwise and differentiable on (0, π)."""


def mean_over_pairs(centres: Tensor, energy: Energy, rows: Tensor | None = None) -> Tensor:
    """Mean of ``energy``(∠(c_i, c_j)) over i in ``rows`` and every j ≠ i, (); 0 where there is but one centre.

    ``centres``: (n, d) of any norm, float32 or float64. ``rows``: (k,) int64, may repeat; None for all. Centres closer
    than √(32ε) (.002 radians in float32) or as close to opposite count as that close, without gradient. Value and
    gradient are made in one pass: 3·k·n·d products, 2·n²·d where ``rows`` is None. Can be differentiated once.
    """
    if len(centres) < 2:
        return centres.new_zeros(())
    wanted = torch.is_grad_enabled() and centres.requires_grad
    mean: Tensor = _MeanOverPairs.apply(centres, energy, rows, wanted)
    return mean


@torch.no_grad()
def nearest_others(centres: Tensor, rows: Tensor | None = None) -> Tensor:
    """For each i in ``rows`` the j ≠ i whose centre has the largest cosine to c_i, (k,) int64. k·n·d products.

    ``centres``: (n, d), n > 1. ``rows``: (k,) int64; None for all.
    """
    count = len(centres) if rows is None else len(rows)
    best = centres.new_full((count,), -math.inf)
    nearest = torch.zeros(count, dtype=torch.int64, device=centres.device)
    for tile in _tiles(centres, rows):
        top = tile.cosines.masked_fill_(tile.own, -math.inf).max(dim=1)
        closer = top.values > best[tile.rows]
        best[tile.rows] = top.values.where(closer, best[tile.rows])
        nearest[tile.rows] = (top.indices + tile.columns.start).where(closer, nearest[tile.rows])
    return nearest


@dataclass(frozen=True)
class _Tile:
    """``left``: (r, d) unit centres of some ``rows``; ``right``: (c, d) those of the classes ``columns``.

    ``cosines``: (r, c) between them; ``own``: (r, c) where both are the same class.
    """

    rows: slice
    columns: slice
    left: Tensor
    right: Tensor
    cosines: Tensor
    own: Tensor


def _tiles(centres: Tensor, rows: Tensor | None) -> Iterator[_Tile]:
    classes = torch.arange(len(centres), device=centres.device)
    rows = classes if rows is None else rows
    for first in range(0, len(rows), SIDE):
        some = slice(first, first + SIDE)
        left = _unit(centres[rows[some]])
        for start in range(0, len(centres), SIDE):
            columns = slice(start, start + SIDE)
            right = _unit(centres[columns])
            yield _Tile(some, columns, left, right, left @ right.T, rows[some, None] == classes[columns])


def _norms(centres: Tensor) -> Tensor:
    norms: Tensor = centres.norm(dim=1, keepdim=True).clamp(min=tiny)
    return norms


def _unit(centres: Tensor) -> Tensor:
    return centres / _norms(centres)


class _MeanOverPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, centres: Tensor, energy: Energy, rows: Tensor | None, wanted: bool) -> Tensor:
        pairs = (len(centres) if rows is None else len(rows)) * (len(centres) - 1)
        total, gradient = centres.new_zeros(()), torch.zeros_like(centres) if wanted else None
        for tile in _tiles(centres, rows):
            value, slopes = _summed(tile, energy, wanted)
            total += value
            if gradient is None:
                continue
            to_left = slopes @ tile.right
            if rows is None:  # a pair is met from both of its ends, each time with the same slope
                gradient[tile.rows] += 2 * to_left
            else:
                gradient.index_add_(0, rows[tile.rows], to_left)
                gradient[tile.columns].addmm_(slopes.T, tile.left)
        if gradient is not None:
            _through_the_norm(gradient, centres, pairs)
        ctx.save_for_backward(gradient)
        return total / pairs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, to_mean: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * to_mean, None, None, None


def _summed(tile: _Tile, energy: Energy, wanted: bool) -> tuple[Tensor, Tensor]:
    """The sum of a tile's energies, own pairs left out, and its slopes in the cosines (empty if not ``wanted``)."""
    with torch.set_grad_enabled(wanted):
        cosines = tile.cosines.requires_grad_(wanted)
        total = energy(safe_angle(cosines, epsilons=COINCIDENT)).masked_fill(tile.own, 0.0).sum()
    slopes = torch.autograd.grad(total, cosines)[0] if wanted else cosines[:0]
    return total.detach(), slopes


def _through_the_norm(gradient: Tensor, centres: Tensor, pairs: int) -> None:
    """From the summed slopes in unit centres to the gradient of the mean in the centres, in place."""
    for first in range(0, len(centres), SIDE):
        part, some = gradient[first : first + SIDE], centres[first : first + SIDE]
        unit = _unit(some)
        part -= (part * unit).sum(dim=1, keepdim=True) * unit
        part /= _norms(some) * pairs

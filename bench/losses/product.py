"""Embeddings times centres, reduced to one number a sample, with the (B, C) matrix held once or never.

Autograd would keep several copies of the logits. Here one function owns the product: forwards it reduces the classes
that are not the sample's own, backwards it turns the same matrix into its own gradient in place. With ``block`` the
matrix is made a block of classes at a time, and once more on the way back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.losses.shards import Group
from bench.losses.types import LogSumExp

CHUNK = 2**20  # products that are reduced at a time: few enough for a processor's cache
ACCELERATOR_CHUNK = 2**24  # an accelerator has no such cache, and each piece costs it a few launches
tiny = 1e-12


@dataclass(frozen=True)
class Reduction:
    """How products (r, n) of some samples become a number for each.

    Their logits are ``scale``·``negative``(products, samples), where ``negative`` None leaves them as they are. With
    ``cost`` None the number is the logits' log Σ exp, else the sum of ``cost``(logits). Both functions are elementwise
    and differentiable, and may read learned values.
    """

    scale: Tensor | float
    negative: Callable[[Tensor, slice], Tensor] | None = None
    cost: Callable[[Tensor], Tensor] | None = None

    def logits(self, products: Tensor, samples: slice) -> Tensor:
        changed = products if self.negative is None else self.negative(products, samples)
        return changed * self.scale


@dataclass(frozen=True)
class Product:
    """``rows``: (B,) the own class's row among the centres, −1 where another process holds it. ``unit``: whether
    centres are divided by their norms. ``block``: classes at a time, None for all. ``begin``: told the own centres
    (B, [K,] d) as they are and a log Σ exp over the others, says how to reduce them.
    """

    rows: Tensor
    unit: bool
    block: int | None
    group: Group
    begin: Callable[[Tensor, LogSumExp], Reduction]


def reduce_others(left: Tensor, centres: Tensor, product: Product, learned: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Own centres (B, [K,] d) as they are; the reduced others (B,); the largest logit among them (B,), no gradient.

    ``left``: (B, d) embeddings, unit or not. ``centres``: (n, d), or (n, K, d) of which a class's nearest counts.
    ``learned``: values with gradient that ``negative`` and ``cost`` read. Can be differentiated once.
    """
    found: tuple[Tensor, ...] = _ReduceOthers.apply(left, centres, product, *learned)
    return found


class _ReduceOthers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, centres: Tensor, product: Product, *learned: Tensor) -> tuple[Tensor, ...]:
        group, rows = product.group, product.rows
        own = centres[rows.clamp(min=0)]
        if group.size > 1:
            own = group.sum(own * (rows >= 0).reshape(-1, *[1] * (own.ndim - 1)))
        tiles = _Tiles(left, centres, product)
        reduction = product.begin(own, lambda scale: group.log_sum_exp(_reduced(tiles, Reduction(scale))[0]))
        total, hardest = _reduced(tiles, reduction)
        total = group.log_sum_exp(total) if reduction.cost is None else group.sum(total)
        hardest = group.largest(hardest)
        ctx.save_for_backward(left, centres, total, *learned)
        ctx.tiles, ctx.reduction, ctx.group = tiles, reduction, group
        ctx.mark_non_differentiable(hardest)
        return own, total, hardest

    @staticmethod
    def backward(ctx: Any, to_own: Tensor, to_total: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        left, centres, total, *learned = ctx.saved_tensors
        tiles, reduction, group = ctx.tiles, ctx.reduction, ctx.group
        if tiles is None:
            raise RuntimeError("the loss of a head can be differentiated once")
        ctx.tiles = None
        to_left, to_learned = torch.zeros_like(left), [torch.zeros_like(value) for value in learned]
        to_centres = centres.new_empty(centres.shape)
        for first, tile in tiles:
            classes = slice(first, first + tiles.width(tile))
            inverse, radial = tiles.inverses(classes), tile.new_zeros(tile.shape[1])
            for samples in _chunks(tile):
                products = tile[samples]
                slopes = tiles.spread(
                    *_slopes(tiles, first, products, samples, reduction, to_total, total, learned, to_learned)
                )
                if inverse is None:
                    products.copy_(slopes)
                else:
                    radial += products.mul_(slopes).sum(dim=0)
                    torch.mul(slopes, inverse, out=products)
            part, to_part = (whole[classes].flatten(0, -2) for whole in (centres, to_centres))
            to_left.addmm_(tile, part)
            torch.mm(tile.T, left, out=to_part)
            if inverse is not None:  # a longer centre has the same cosines
                to_part.addcmul_(part, (radial * inverse**2)[:, None], value=-1)
        here = tiles.rows >= 0
        to_own = to_own * here.reshape(-1, *[1] * (to_own.ndim - 1))
        to_centres.index_add_(0, tiles.rows.clamp(min=0), to_own)
        return group.sum(to_left), to_centres, None, *(group.sum(value) for value in to_learned)


class _Tiles:
    """The products of all embeddings with a block of classes at a time, (B, n·K), in the same memory.

    Where one block holds all classes it is made once.
    """

    def __init__(self, left: Tensor, centres: Tensor, product: Product) -> None:
        self.left, self.centres, self.rows = left, centres, product.rows
        self.block = product.block or len(centres)
        self.sub = centres.shape[1] if centres.ndim == 3 else 1
        self.lengths = centres.norm(dim=-1).clamp(min=tiny) if product.unit else None
        self._memory = left.new_empty(len(left) * min(self.block, len(centres)) * self.sub)
        self._kept = False

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        for first in range(0, len(self.centres), self.block):
            classes = slice(first, first + self.block)
            part = self.centres[classes].flatten(0, -2)
            tile = self._memory[: len(self.left) * len(part)].view(len(self.left), len(part))
            if not self._kept:
                torch.mm(self.left, part.T, out=tile)
                # The products are divided: unit centres would be one more copy of all centres.
                if (inverse := self.inverses(classes)) is not None:
                    tile *= inverse
                self._kept = self.block >= len(self.centres)
            yield first, tile

    def inverses(self, classes: slice) -> Tensor | None:
        """1/‖centre‖ of some classes, (n·K,), where centres are divided by their norms."""
        return None if self.lengths is None else 1 / self.lengths[classes].flatten()

    def width(self, tile: Tensor) -> int:
        return tile.shape[1] // self.sub

    def nearest(self, products: Tensor) -> tuple[Tensor, Tensor | None]:
        """The products with each class's nearest sub-centre (r, n), and which it was."""
        if self.sub == 1:
            return products, None
        best = products.view(len(products), -1, self.sub).max(dim=2)
        return best.values, best.indices

    def spread(self, slopes: Tensor, which: Tensor | None) -> Tensor:
        """Slopes (r, n) as those of the products that they belong to, (r, n·K)."""
        if which is None:
            return slopes
        every = slopes.new_zeros(*slopes.shape, self.sub)
        return every.scatter_(2, which[:, :, None], slopes[:, :, None]).flatten(1)

    def fill_own(self, values: Tensor, first: int, samples: slice, value: float) -> None:
        """Overwrites what (r, n) values hold for each sample's own class."""
        column = self.rows[samples] - first
        inside = (self.rows[samples] >= 0) & (column >= 0) & (column < values.shape[1])
        column = column.clamp(0, values.shape[1] - 1)[:, None]
        values.scatter_(1, column, values.gather(1, column).masked_fill(inside[:, None], value))


def _chunks(tile: Tensor) -> Iterator[slice]:
    size = CHUNK if tile.device.type == "cpu" else ACCELERATOR_CHUNK
    step = max(1, size // tile.shape[1])
    return (slice(i, min(i + step, len(tile))) for i in range(0, len(tile), step))


def _reduced(tiles: _Tiles, reduction: Reduction) -> tuple[Tensor, Tensor]:
    """The reduced others and the largest of their logits, (B,) each."""
    hardest = tiles.left.new_full((len(tiles.left),), -math.inf)
    total = hardest.clone() if reduction.cost is None else torch.zeros_like(hardest)
    for first, tile in tiles:
        for samples in _chunks(tile):
            logits = reduction.logits(tiles.nearest(tile[samples])[0], samples)
            if reduction.cost is not None:
                costs = reduction.cost(logits)
                tiles.fill_own(costs, first, samples, 0.0)
                total[samples] += costs.sum(dim=1)
            tiles.fill_own(logits, first, samples, -math.inf)
            top = logits.amax(dim=1)
            hardest[samples] = torch.maximum(hardest[samples], top)
            if reduction.cost is None:
                top = top.where(top > -math.inf, 0.0)
                part = top + logits.sub_(top[:, None]).exp_().sum(dim=1).log()
                total[samples] = torch.logaddexp(total[samples], part)
    return total, hardest


def _slopes(
    tiles: _Tiles, first: int, products: Tensor, samples: slice, reduction: Reduction, to_total: Tensor, total: Tensor,
    learned: Sequence[Tensor], to_learned: Sequence[Tensor],
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """The loss's slopes in some products (r, n), 0 for the own class; those of the learned values are added up."""
    nearest, which = tiles.nearest(products)
    weight = to_total[samples, None]
    if reduction.negative is None and reduction.cost is None:
        slopes = (nearest * reduction.scale).sub_(total[samples, None]).exp_().mul_(weight * reduction.scale)
        tiles.fill_own(slopes, first, samples, 0.0)
        return slopes, which
    with torch.enable_grad():
        at = nearest.detach().requires_grad_()
        logits = reduction.logits(at, samples)
        reached = logits if reduction.cost is None else reduction.cost(logits)
    weights = weight.expand_as(reached).clone()
    if reduction.cost is None:
        weights *= (logits.detach() - total[samples, None]).exp_()
    tiles.fill_own(weights, first, samples, 0.0)
    slopes, *others = torch.autograd.grad(reached, [at, *learned], weights, allow_unused=True)
    for kept, found in zip(to_learned, others, strict=True):
        if found is not None:
            kept += found
    return slopes, which

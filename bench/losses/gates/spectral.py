"""Gate ``spectral``: the anisotropy of each class, measured while it trains.

Two buffers follow every class: ``direction`` u (C, d), by Oja's rule the axis along which the class spreads most, and
``share`` q (C,), the mean share of a squared residual that lies along it; 1/(d−1) is what an isotropic class shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import GATES
from bench.errors import BenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from bench.losses.types import GateInput

rate = 0.05
smallest_sine = 1e-4
tiny = 1e-12


def _tangent(vectors: Tensor, centres: Tensor) -> Tensor:
    """Each row without its part along the unit centre."""
    return vectors - (vectors * centres).sum(1, keepdim=True) * centres


def _unit(vectors: Tensor) -> Tensor:
    unit: Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=tiny)
    return unit


def _residual(batch: GateInput) -> Tensor:
    """r̂: the unit tangent along which x left its centre, (B, d); 0 where x is too close to either pole to tell."""
    residual = _tangent(batch.embedding, batch.centre)
    sine = residual.norm(dim=1, keepdim=True)
    unit: Tensor = (residual / sine.clamp(min=tiny)).where(sine >= smallest_sine, 0.0)
    return unit


def start(centres: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """State before training: a random unit tangent at each unit centre (C, d), and the isotropic share.

    Raises BenchError for embeddings of fewer than 3 dimensions, whose classes have no direction to choose from.
    """
    classes, dimension = centres.shape
    if dimension < 3:
        raise BenchError(f"gate 'spectral' needs embeddings of 3 or more dimensions, found {dimension}")
    draw = centres.new_empty(classes, dimension).normal_(generator=generator)
    return {
        "direction": _unit(_tangent(draw, centres)),
        "share": centres.new_full((classes,), 1 / (dimension - 1)),
    }


def update(batch: GateInput, max_repeat: int | None) -> None:
    """Apply every sample to its class's state, several samples of a class in batch order, in place.

    ``max_repeat``: at least the largest number of samples of one class; None counts, which waits for a GPU.
    """
    from torch import searchsorted

    labels = batch.labels
    in_order = labels.argsort(stable=True)
    grouped = labels[in_order]
    first = searchsorted(grouped, labels)
    repeats = searchsorted(grouped, labels, right=True) - first
    rounds = int(repeats.max()) if max_repeat is None else max_repeat
    residual = _residual(batch)
    direction, share = batch.state["direction"], batch.state["share"]
    # One row per sample, holding its class's state, so that rows of a class stay equal and nothing waits for the host.
    u, q = direction[labels].to(residual.dtype), share[labels].to(residual.dtype)
    for turn in range(rounds):
        along = (residual * u).sum(1)
        new_u = _unit(_tangent(u + rate * along[:, None] * residual, batch.centre))
        new_q = (1 - rate) * q + rate * along.square()
        moved = repeats > turn
        source = in_order[(first + turn).clamp(max=len(labels) - 1)]
        u, q = new_u[source].where(moved[:, None], u), new_q[source].where(moved, q)
    direction.index_copy_(0, labels, u.to(direction.dtype))
    share.index_copy_(0, labels, q.to(share.dtype))


@GATES.register(
    "spectral",
    summary="a_c·(r̂·u_c)²: acts along the direction in which the class is measured to spread most",
    source="this project's own; the direction follows Oja, J. Math. Biol. 15 (1982) 267",
    start=start,
    update=update,
)
def spectral(batch: GateInput) -> Tensor:
    """a_c·(r̂·u_c)², (B,), where a_c in [0, 1] is how far the class's share q_c lies above the isotropic 1/(d−1)."""
    isotropic = 1 / (batch.embedding.shape[1] - 1)
    share = batch.state["share"][batch.labels]
    anisotropy = ((share - isotropic) / (1 - isotropic)).clamp(0, 1)
    return anisotropy * (_residual(batch) * batch.state["direction"][batch.labels]).sum(1).square()

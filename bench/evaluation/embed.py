"""Embeddings of packed images: batches through a network, flip fusion."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.data.packed import PackedImages, Progress
from bench.data.tensors import normalise
from bench.data.types import Int
from bench.errors import BenchError
from bench.evaluation.templates import Floats

BATCH = 256

Network = Callable[[Tensor], Tensor]
"""(B, 3, H, W) float32 → (B, d) embeddings, raw."""

Prepare = Callable[[Tensor], Tensor]
"""(B, H, W, 3) uint8 RGB → (B, 3, H, W) float32, what the network is fed."""


@torch.no_grad()
def raw_embeddings(
    network: Network, images: PackedImages, rows: Int, *, flip: bool, device: torch.device,
    prepare: Prepare = normalise, progress: Progress | None = None,
) -> Tensor:  # fmt: skip
    """Embeddings (N, d) float32, as the network gives them, on the device; with ``flip`` the mirror image's added.

    ``progress(done, total)`` is called after every batch. Raises BenchError where the network fails on a batch or gives
    something else than (B, d) numbers.
    """
    parts: list[Tensor] = []
    for start in range(0, len(rows), BATCH):
        pixels = torch.from_numpy(images.gather(rows[start : start + BATCH])).to(device)
        found = _embedded(network, prepare(pixels))
        if flip:
            found = found + _embedded(network, prepare(pixels.flip(2)))
        if parts and found.shape[1] != parts[0].shape[1]:
            raise BenchError(f"the network gave {parts[0].shape[1]} numbers an image, then {found.shape[1]}")
        parts.append(found)
        if progress:
            progress(start + len(found), len(rows))
    return torch.cat(parts)


def _embedded(network: Network, batch: Tensor) -> Tensor:
    found = network(batch)
    if not isinstance(found, Tensor):
        raise BenchError(f"a network must give a tensor (B, d), this one gives a {type(found).__name__}; wrap it")
    if found.ndim != 2 or len(found) != len(batch) or not found.is_floating_point():
        raise BenchError(
            f"a network must give ({len(batch)}, d) floats for {len(batch)} images, "
            f"this one gives {tuple(found.shape)} {str(found.dtype).removeprefix('torch.')}"
        )
    return found.float()


def embed(network: Network, images: PackedImages, rows: Int, *, flip: bool, device: torch.device) -> Floats:
    """Unit embeddings (N, d) float32 of the images at ``rows``; flip fusion adds raw embeddings before normalising."""
    raw = raw_embeddings(network, images, rows, flip=flip, device=device)
    unit: Floats = torch.nn.functional.normalize(raw).cpu().numpy()
    return unit

"""Embeddings of packed images: batches through the backbone, flip fusion, pooling of templates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from bench.data.packed import PackedImages
from bench.data.tensors import normalise
from bench.data.types import Int

Floats = npt.NDArray[np.float32]
BATCH = 256


@torch.no_grad()
def raw_embeddings(
    backbone: torch.nn.Module, images: PackedImages, rows: Int, *, flip: bool, device: torch.device
) -> torch.Tensor:
    """Embeddings (N, d) float32, as the backbone gives them, on the device; with ``flip`` the mirror image's added."""
    parts = []
    for start in range(0, len(rows), BATCH):
        pixels = torch.from_numpy(images.gather(rows[start : start + BATCH])).to(device)
        batch = normalise(pixels)
        found = backbone(batch).float()
        if flip:
            found = found + backbone(batch.flip(3).contiguous(memory_format=torch.channels_last)).float()
        parts.append(found)
    return torch.cat(parts)


def embed(backbone: torch.nn.Module, images: PackedImages, rows: Int, *, flip: bool, device: torch.device) -> Floats:
    """Unit embeddings (N, d) float32 of the images at ``rows``; flip fusion adds raw embeddings before normalising."""
    raw = raw_embeddings(backbone, images, rows, flip=flip, device=device)
    unit: Floats = torch.nn.functional.normalize(raw).cpu().numpy()
    return unit


def pool(embeddings: Floats, template: Int, count: int) -> Floats:
    """Unit embeddings (T, d) of templates: the mean of their images' unit embeddings, normalised."""
    sums = np.zeros((count, embeddings.shape[1]), np.float64)
    np.add.at(sums, template, embeddings.astype(np.float64))
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    unit: Floats = (sums / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit


def pair_scores(templates: Floats, pairs: Int) -> Floats:
    """Cosine (P,) float32 of each pair (P, 2) of unit embeddings."""
    first, second = templates[pairs[:, 0]], templates[pairs[:, 1]]
    scores: Floats = np.einsum("pd,pd->p", first.astype(np.float64), second.astype(np.float64)).astype(np.float32)
    return scores

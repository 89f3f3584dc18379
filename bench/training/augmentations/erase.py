"""Random erasing: a rectangle of each image is made grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import AUGMENTATIONS, Option

if TYPE_CHECKING:
    import torch

    from bench.training.draws import Draws


@AUGMENTATIONS.register(
    "erase",
    summary="make a random square grey",
    source="Zhong et al., Random Erasing Data Augmentation, arXiv 1708.04896 (squares only)",
    options=(
        Option("probability", 0.5, "share of the images", minimum=0, maximum=1),
        Option("side", 0.4, "largest side of the square as a share of the image's", above=0, maximum=1),
    ),
)
def erase(images: torch.Tensor, draws: Draws, *, probability: float, side: float) -> torch.Tensor:
    import torch

    _, _, height, width = images.shape
    hit, size, top, left = draws.uniform(4)[:, :, None, None]
    row = torch.linspace(0, 1, height, device=images.device)[None, :, None]
    column = torch.linspace(0, 1, width, device=images.device)[None, None, :]
    size, hit = size * side, hit < probability
    inside = (row >= top) & (row < top + size) & (column >= left) & (column < left + size) & hit
    return images.masked_fill(inside[:, None], 0.0)

"""Random translation by whole pixels: a crop from a padded image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import AUGMENTATIONS, Option

if TYPE_CHECKING:
    import torch

    from bench.training.draws import Draws


@AUGMENTATIONS.register(
    "shift",
    summary="move images by whole pixels, repeating the border",
    source="usual in the field (random crop of a padded image)",
    options=(Option("pixels", 2, "largest move in each direction", unit="pixels", minimum=0),),
)
def shift(images: torch.Tensor, draws: Draws, *, pixels: int) -> torch.Tensor:
    import torch

    count, _, height, width = images.shape
    moves = draws.integers(-pixels, pixels, 2)
    rows = (torch.arange(height, device=images.device) + moves[0, :, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + moves[1, :, None]).clamp(0, width - 1)
    sample = torch.arange(count, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

"""Horizontal mirroring, the augmentation that every face-recognition recipe uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import AUGMENTATIONS, Option

if TYPE_CHECKING:
    import torch

    from bench.training.draws import Draws


@AUGMENTATIONS.register(
    "flip",
    summary="mirror images left to right",
    source="usual in the field",
    options=(Option("probability", 0.5, "share of the images", minimum=0, maximum=1),),
)
def flip(images: torch.Tensor, draws: Draws, *, probability: float) -> torch.Tensor:
    import torch

    mirrored = draws.uniform(1)[0] < probability
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)

"""Horizontal mirroring, the augmentation that every face-recognition recipe uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import AUGMENTATIONS, Option

if TYPE_CHECKING:
    import torch


@AUGMENTATIONS.register(
    "flip",
    summary="mirror images left to right",
    source="usual in the field",
    options=(Option("probability", 0.5, "share of the images", minimum=0, maximum=1),),
)
def flip(images: torch.Tensor, draw: torch.Generator, *, probability: float) -> torch.Tensor:
    import torch

    mirrored = torch.rand(len(images), generator=draw).to(images.device, non_blocking=True) < probability
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)

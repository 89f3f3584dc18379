"""Random brightness and contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import AUGMENTATIONS, Option

if TYPE_CHECKING:
    import torch

    from bench.training.draws import Draws


@AUGMENTATIONS.register(
    "colour",
    summary="random brightness and contrast of each image",
    source="usual in the field",
    options=(
        Option("brightness", 0.2, "largest change, as a share of the range", minimum=0, maximum=1),
        Option("contrast", 0.2, "largest relative change", minimum=0, maximum=1),
    ),
)
def colour(images: torch.Tensor, draws: Draws, *, brightness: float, contrast: float) -> torch.Tensor:
    drawn = draws.uniform(2)[:, :, None, None, None] * 2 - 1
    changed: torch.Tensor = images * (1 + contrast * drawn[0]) + 2 * brightness * drawn[1]
    return changed.clamp(-1, 1)

"""The small plain CNN for CPU, with batch normalisation and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.backbones.families._options import DROPOUT, EMBEDDING
from bench.catalog import BACKBONES, Option

if TYPE_CHECKING:
    from torch import nn


OPTIONS = (
    EMBEDDING,
    DROPOUT,
    Option("width", 32, "channels of the first stage; the others have 2, 4 and 4 times as many", minimum=1),
    Option("depth", 1, "convolutions in each stage but the first, which has one", minimum=1),
)


@BACKBONES.register(
    "small_cnn",
    summary="four stages of plain 3×3 convolutions, for CPU",
    source="this project",
    options=OPTIONS,
    parameters=3_453_568,
    macs=42_047_488,
)
def small_cnn(*, pixels: int, embedding: int, dropout: float, width: int, depth: int) -> nn.Module:
    from bench.backbones.small_cnn import SmallCNN

    return SmallCNN(pixels=pixels, embedding=embedding, dropout=dropout, width=width, depth=depth)


@BACKBONES.register(
    "small_cnn_groupnorm",
    summary="small_cnn with group normalisation: an embedding depends on its image alone",
    source="this project; group normalisation: arXiv:1803.08494, with one group",
    options=OPTIONS,
    parameters=3_453_056,
    macs=42_047_488,
)
def small_cnn_groupnorm(*, pixels: int, embedding: int, dropout: float, width: int, depth: int) -> nn.Module:
    from torch import nn

    from bench.backbones.small_cnn import SmallCNN

    return SmallCNN(
        pixels=pixels, embedding=embedding, dropout=dropout, width=width, depth=depth,
        norm=lambda channels: nn.GroupNorm(1, channels),
    )  # fmt: skip

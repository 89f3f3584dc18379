"""MobileFaceNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.backbones.families._options import DROPOUT, EMBEDDING
from bench.catalog import BACKBONES

if TYPE_CHECKING:
    from torch import nn


@BACKBONES.register(
    "mobilefacenet",
    summary="inverted bottlenecks and a global depthwise convolution",
    source="arXiv:1804.07573",
    options=(EMBEDDING, DROPOUT),
    parameters=1_200_000,
    macs=221_161_984,
)
def mobilefacenet(*, pixels: int, embedding: int, dropout: float) -> nn.Module:
    from bench.backbones.mobilefacenet import MobileFaceNet

    return MobileFaceNet(pixels=pixels, embedding=embedding, dropout=dropout)

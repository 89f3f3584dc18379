"""IResNet-18/34/50/100 as the field trains them, and a small one of the same units for CPU."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.backbones.families._options import DROPOUT, EMBEDDING
from bench.catalog import BACKBONES, Option

if TYPE_CHECKING:
    from torch import nn

SOURCE = "arXiv:1801.07698; InsightFace arcface_torch"
DEPTHS = {
    "iresnet18": ((2, 2, 2, 2), 24_024_576, 2_609_954_816),
    "iresnet34": ((3, 4, 6, 3), 34_138_304, 4_459_642_880),
    "iresnet50": ((3, 4, 14, 3), 43_589_824, 6_309_330_944),
    "iresnet100": ((3, 13, 30, 3), 65_155_136, 12_089_606_144),
}
"""Residual units of each stage, trained parameters, and multiply-accumulates at 112 pixels."""


def iresnet(blocks: tuple[int, ...], *, pixels: int, embedding: int, dropout: float) -> nn.Module:
    from bench.backbones.iresnet import IResNet

    return IResNet(blocks, pixels=pixels, embedding=embedding, dropout=dropout)


for _name, (_blocks, _parameters, _macs) in DEPTHS.items():
    BACKBONES.register(
        _name,
        summary=f"{sum(_blocks)} improved residual units",
        source=SOURCE,
        options=(EMBEDDING, DROPOUT),
        parameters=_parameters,
        macs=_macs,
    )(partial(iresnet, _blocks))


@BACKBONES.register(
    "small_resnet",
    summary="three narrow stages of improved residual units behind a stem of stride 2, for CPU",
    source="this project; units of arXiv:1801.07698",
    options=(
        EMBEDDING,
        DROPOUT,
        Option("width", 24, "channels of the first stage; they double with each", unit="channels", minimum=1),
        Option("depth", 1, "residual units in each stage", minimum=1),
    ),
    parameters=2_583_464,
    macs=50_050_560,
)
def small_resnet(*, pixels: int, embedding: int, dropout: float, width: int, depth: int) -> nn.Module:
    from bench.backbones.iresnet import IResNet

    return IResNet((depth,) * 3, pixels=pixels, embedding=embedding, dropout=dropout, width=width, stem_stride=2)

"""MobileFaceNet (arXiv:1804.07573): inverted bottlenecks and a global depthwise convolution instead of pooling."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from bench.backbones.neck import Neck, halved


class Row(NamedTuple):
    """A row of the paper's Table 1: expansion t, output channels c, repeats n, stride s of the first."""

    expansion: int
    channels: int
    repeats: int
    stride: int


BOTTLENECKS = (Row(2, 64, 5, 2), Row(4, 128, 1, 2), Row(2, 128, 6, 1), Row(4, 128, 1, 2), Row(2, 128, 2, 1))
LAST = 512


def convolution(
    channels: int, width: int, kernel: int, *, stride: int = 1, groups: int = 1, linear: bool = False
) -> nn.Sequential:
    """Convolution and BN, then PReLU unless ``linear``; a map is halved by stride 2 and kept by stride 1."""
    layers = [
        nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
    ]
    return nn.Sequential(*layers) if linear else nn.Sequential(*layers, nn.PReLU(width))


class Bottleneck(nn.Module):
    """Expand, depthwise 3×3, linear projection; with a shortcut where the shape stays (MobileNetV2's unit)."""

    def __init__(self, channels: int, width: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.residual = nn.Sequential(
            convolution(channels, inner, 1),
            convolution(inner, inner, 3, stride=stride, groups=inner),
            convolution(inner, width, 1, linear=True),
        )
        self.keeps_shape = stride == 1 and channels == width

    def forward(self, images: Tensor) -> Tensor:
        residual: Tensor = self.residual(images)
        return images + residual if self.keeps_shape else residual


class MobileFaceNet(nn.Module):
    """(B, 3, pixels, pixels) to (B, embedding): Table 1 of the paper; the global depthwise kernel covers the last map.

    The paper's last two layers, linear GDConv–BN and linear 1×1 convolution–BN, are the depthwise convolution here and
    the neck, whose first BN is the former's and whose fully connected layer is the latter on a 1×1 map. The paper's
    width of the embedding is 128; the field trains 512.
    """

    def __init__(self, *, pixels: int, embedding: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, 64, 3, stride=2), convolution(64, 64, 3, groups=64)]
        channels = 64
        for row in BOTTLENECKS:
            for index in range(row.repeats):
                stride = 1 if index else row.stride
                layers.append(Bottleneck(channels, row.channels, expansion=row.expansion, stride=stride))
                channels = row.channels
        layers.append(convolution(channels, LAST, 1))
        self.features = nn.Sequential(*layers)
        self.global_depthwise = nn.Conv2d(LAST, LAST, halved(pixels, 4), groups=LAST, bias=False)
        self.neck = Neck(LAST, 1, embedding=embedding, dropout=dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        embedding: Tensor = self.neck(self.global_depthwise(self.features(images)))
        return embedding

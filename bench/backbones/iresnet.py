"""IResNet: the residual network of the face-recognition field, built from improved residual units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bench.backbones.neck import Neck, halved


class Block(nn.Module):
    """Improved residual unit, BN–conv–BN–PReLU–conv–BN (arXiv:1801.07698), with the stride in the second convolution.

    Where the shape changes, the shortcut is a 1×1 convolution and a BN; otherwise it is the identity.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, images: Tensor) -> Tensor:
        total: Tensor = self.residual(images) + self.shortcut(images)
        return total


class IResNet(nn.Module):
    """(B, 3, pixels, pixels) to (B, embedding): a 3×3 stem, stages whose first block halves the map, and the neck.

    ``blocks``: blocks per stage; the channels are ``width`` in the first stage and double with each. ``stem_stride`` 1
    keeps the stem at full resolution, as the field does at 112 pixels, where the last of four maps is 7×7.
    Convolutions start from N(0, 0.1²), as in InsightFace's ``arcface_torch``.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        *,
        pixels: int,
        embedding: int,
        dropout: float,
        width: int = 64,
        stem_stride: int = 1,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, stem_stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        channels, stages = width, []
        for stage, count in enumerate(blocks):
            for index in range(count):
                stages.append(Block(channels, width * 2**stage, stride=1 if index else 2))
                channels = width * 2**stage
        self.stages = nn.Sequential(*stages)
        side = halved(pixels, len(blocks) + stem_stride - 1)
        self.neck = Neck(channels, side, embedding=embedding, dropout=dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.1)

    def forward(self, images: Tensor) -> Tensor:
        embedding: Tensor = self.neck(self.stages(self.stem(images)))
        return embedding

"""A plain CNN that trains at about a thousand images a second on one CPU core."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from bench.backbones.neck import Neck, halved

STAGES = (1, 2, 4, 4)
"""Channels of each stage in units of the width; every stage halves the map."""


class SmallCNN(nn.Module):
    """(B, 3, pixels, pixels) to (B, embedding): 3×3 convolutions with BN and PReLU, then the neck.

    A stage's first convolution has stride 2, and ``depth`` is the number of its convolutions; the first stage, the
    costliest, has one only. Convolutions start from N(0, 0.1²) like IResNet's: larger weights
    ahead of a BN make smaller steps, and with He's narrower start this net learned less in a dozen short epochs.
    ``norm``: of a map of so many channels, in place of every BN.
    """

    def __init__(
        self, *, pixels: int, embedding: int, dropout: float, width: int, depth: int,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        channels, layers = 3, list[nn.Module]()
        for stage, times in enumerate(STAGES):
            for index in range(depth if stage else 1):
                layers += [
                    nn.Conv2d(channels, width * times, 3, stride=1 if index else 2, padding=1, bias=False),
                    (norm or nn.BatchNorm2d)(width * times),
                    nn.PReLU(width * times),
                ]
                channels = width * times
        self.features = nn.Sequential(*layers)
        self.neck = Neck(channels, halved(pixels, len(STAGES)), embedding=embedding, dropout=dropout, norm=norm)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.1)

    def forward(self, images: Tensor) -> Tensor:
        embedding: Tensor = self.neck(self.features(images))
        return embedding

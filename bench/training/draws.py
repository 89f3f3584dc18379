"""Random numbers for the images of a batch, the same whether one process has them all or several share them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """What an augmentation draws by. Numbers are drawn for the whole ``batch``, and those of the ``own`` images kept,
    so that an image gets the same ones wherever it is. ``generator``: of the CPU; ``device``: where they are wanted.
    """

    generator: torch.Generator
    batch: int
    own: slice
    device: torch.device

    def uniform(self, count: int) -> Tensor:
        """``count`` numbers in [0, 1) for each of the n own images: (count, n) float32."""
        return self._kept(torch.rand(count, self.batch, generator=self.generator))

    def integers(self, low: int, high: int, count: int) -> Tensor:
        """``count`` whole numbers from ``low`` to ``high``, both included, for each own image: (count, n) int64."""
        return self._kept(torch.randint(low, high + 1, (count, self.batch), generator=self.generator))

    def _kept(self, drawn: Tensor) -> Tensor:
        return drawn[:, self.own].to(self.device, non_blocking=True)

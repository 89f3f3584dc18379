"""The embedding neck that every backbone here ends with: BN–dropout–FC–BN."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Neck(nn.Module):
    """Feature map (B, channels, side, side) to raw embedding (B, embedding) of the weights' dtype, not normalised.

    The BN–dropout–FC–BN structure of ArcFace (arXiv:1801.07698). As the field trains it (InsightFace,
    ``arcface_torch``), the last BN's weight is fixed to 1: it would only rescale coordinates that the layer before it
    can rescale. Differs: that layer has no bias, which the BN after it would subtract again. It runs in the
    weights' precision under autocast too, as there, because its outputs become angles.
    ``norm``: of a map of so many channels, in place of the first BN; there is none at the end then.
    """

    def __init__(
        self, channels: int, side: int, *, embedding: int, dropout: float,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.before = (norm or nn.BatchNorm2d)(channels)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(channels * side * side, embedding, bias=False)
        self.after: nn.Module = nn.Identity()
        if norm is None:
            self.after = nn.BatchNorm1d(embedding)
            self.after.weight.requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        device = features.device.type
        if not torch.amp.is_autocast_available(device):
            return self._embed(features)
        with torch.autocast(device, enabled=False):
            return self._embed(features.to(self.project.weight.dtype))

    def _embed(self, features: Tensor) -> Tensor:
        embedding: Tensor = self.after(self.project(self.dropout(self.before(features)).flatten(1)))
        return embedding


def halved(pixels: int, times: int) -> int:
    """Side of a map of ``pixels`` after this many 3×3 convolutions of stride 2 and padding 1."""
    side: int = math.ceil(pixels / 2**times)
    return side

"""From stored pixels to what every backbone sees."""

from __future__ import annotations

import torch


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32 in [-1, 1], channels last: (x − 127.5) / 127.5."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last).sub_(127.5).div_(127.5)

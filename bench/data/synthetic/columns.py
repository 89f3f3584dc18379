"""Parameters of a batch of images, by name."""

from __future__ import annotations

import torch
from torch import Tensor

DTYPE = torch.float64


class Columns:
    """Parameters of B images as (B, 1) float64 tensors, ready to broadcast against (B, P) planes of pixels."""

    def __init__(self, rows: list[dict[str, float]]) -> None:
        names = list(rows[0])
        table = torch.tensor([[row[name] for name in names] for row in rows], dtype=DTYPE)
        self._columns = {name: table[:, i : i + 1] for i, name in enumerate(names)}

    def __getitem__(self, name: str) -> Tensor:
        return self._columns[name]

    def stacked(self, *names: str) -> Tensor:
        """(B, len(names))."""
        return torch.cat([self._columns[name] for name in names], dim=1)

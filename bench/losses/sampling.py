"""Partial FC: the classes of a training step are those of its batch and a random share of the others.

Sources: arXiv:2010.05222, arXiv:2203.15565. The number of classes is the same at every step, so nothing waits to learn
it, and which they are follows from the step alone, on whatever device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def step_classes(labels: Tensor, classes: int, share: float, generator: torch.Generator) -> Tensor:
    """The classes of a step, (n,) int64, rising: each one in ``labels``, filled up at random from all others.

    ``labels``: (B,) int64, −1 for a class that is none of these ``classes``. n = max(⌈share·classes⌉, min(B, classes)).
    ``generator``: on the CPU.
    """
    count = max(math.ceil(share * classes), min(len(labels), classes))
    # A permutation has no ties, which devices would break differently; its last place takes what labels of −1 write.
    order = torch.randperm(classes + 1, generator=generator, dtype=torch.int32).to(labels.device, non_blocking=True)
    order.index_fill_(0, labels.where(labels >= 0, classes), -1)
    return order[:classes].topk(count, largest=False, sorted=False).indices.sort().values


class StepCentres(nn.Module):
    """The centres of a step's classes, as a leaf of their own that gets the gradient and that an optimiser trains.

    ``active``: (n, [K,] d); ``rows``: (n,) int64, whose they are among all centres. All centres stay with their owner,
    which follows by ``bench.training.rows.train_rows``. Neither is part of the state dict: the next step replaces them.
    """

    def __init__(self, centres: Tensor, share: float) -> None:
        super().__init__()
        self.share = share
        self.active = nn.Parameter(centres.detach()[:0].clone())
        self.rows = torch.zeros(0, dtype=torch.int64)

    def take(self, centres: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Make the classes of a batch active; returns the rows of its labels among them, (B,) int64, −1 staying so.

        Raises RuntimeError where the rows of an earlier batch have a gradient that no optimiser has used.
        """
        if self.active.grad is not None:
            raise RuntimeError(
                "the sampled centres still have the gradient of an earlier batch: "
                "give the optimiser to bench.training.rows.train_rows, and step it after each batch"
            )
        self.rows = step_classes(labels, len(centres), self.share, generator)
        if len(self.active) != len(self.rows):
            self.active.data = centres.new_empty(len(self.rows), *centres.shape[1:])
        with torch.no_grad():  # in place, so that the graph of an earlier batch is known to be stale
            torch.index_select(centres, 0, self.rows, out=self.active)
        return torch.searchsorted(self.rows, labels).where(labels >= 0, labels)

    def _save_to_state_dict(self, *_: object) -> None:
        """Nothing of a step is kept."""

    def _load_from_state_dict(self, *_: object) -> None:
        """Nothing of a step was kept."""

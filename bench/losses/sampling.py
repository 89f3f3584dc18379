"""Partial FC: the classes of a training step are those of its batch and a random share of the others.

Sources: arXiv:2010.05222, arXiv:2203.15565. The number of classes is the same at every step, so nothing waits to learn
it, and which they are follows from the step alone, on whatever device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from bench.errors import BenchError


def step_classes(labels: Tensor, classes: int, share: float, generator: torch.Generator) -> Tensor:
    """The classes of a step, (n,) int64, rising: each one in ``labels``, filled up at random from all others.

    ``labels``: (B,) int64 below ``classes``. n = max(⌈share·classes⌉, min(B, classes)).
    ``generator``: on the CPU.
    """
    count = max(math.ceil(share * classes), min(len(labels), classes))
    # A permutation has no ties, which devices would break differently.
    order = torch.randperm(classes, generator=generator, dtype=torch.int32).to(labels.device, non_blocking=True)
    order.index_fill_(0, labels, -1)
    return order.topk(count, largest=False, sorted=False).indices.sort().values


class StepCentres(nn.Module):
    """The centres of a step's classes, as a leaf of their own that gets the gradient and that an optimiser trains.

    ``active``: (most, [K,] d), of which the first n are taken; ``rows``: (n,) int64, whose they are among this
    process's centres. Those stay with their owner, which follows by ``bench.training.rows.train_rows``. Neither is part
    of the state dict: the next step replaces them. ``lengths``: how many classes of the step each process has; alone,
    n is always the most.
    """

    def __init__(self, centres: Tensor, share: float) -> None:
        super().__init__()
        self.share = share
        self.active = nn.Parameter(centres.detach()[:0].clone())
        self.rows = torch.zeros(0, dtype=torch.int64)
        self.lengths: list[int] = []
        self._classes = self.rows

    def take(
        self, centres: Tensor, labels: Tensor, parts: Sequence[range], rank: int, generator: torch.Generator
    ) -> Tensor:
        """Make the classes of a batch active; returns the rows of its labels among them, (B,) int64, −1 if elsewhere.

        ``labels``: of the whole batch, among all classes, of which process ``rank`` has ``parts[rank]``. The classes of
        a step are the same whatever the number of processes. Raises RuntimeError where the rows of an earlier batch
        have a gradient that no optimiser has used, BenchError on every process where one would have no class.
        """
        if self.active.grad is not None:
            raise RuntimeError(
                "the sampled centres still have the gradient of an earlier batch: "
                "give the optimiser to bench.training.rows.train_rows, and step it after each batch"
            )
        self._classes = step_classes(labels, parts[-1].stop, self.share, generator)
        self.rows, self.lengths = self._classes, [len(self._classes)]
        if len(parts) > 1:  # how many fall to each is known only now, so a GPU is waited for
            bounds = torch.tensor([part.stop for part in parts], device=labels.device)
            ends = [0, *torch.searchsorted(self._classes, bounds).tolist()]
            self.lengths = [last - first for first, last in pairwise(ends)]
            if 0 in self.lengths:
                raise BenchError(f"classes of the step by process: {self.lengths}; each needs one: take a larger share")
            self.rows = self._classes[ends[rank] : ends[rank + 1]] - parts[rank].start
        most = min(len(self._classes), len(centres))
        if len(self.active) != most:
            self.active.data = centres.new_zeros(most, *centres.shape[1:])
        with torch.no_grad():  # in place, so that the graph of an earlier batch is known to be stale
            torch.index_select(centres, 0, self.rows, out=self.active[: len(self.rows)])
        if len(parts) == 1:
            return self.place(labels)
        local = labels - parts[rank].start
        return torch.searchsorted(self.rows, local).where((local >= 0) & (local < len(parts[rank])), -1)

    @property
    def taken(self) -> Tensor:
        """The step's centres of this process, (n, [K,] d), with gradient to ``active``."""
        return self.active if len(self.rows) == len(self.active) else self.active[: len(self.rows)]

    def place(self, labels: Tensor) -> Tensor:
        """The rows of labels among the step's classes of all processes together, (B,) int64."""
        return torch.searchsorted(self._classes, labels)

    def _save_to_state_dict(self, *_: object) -> None:
        """Nothing of a step is kept."""

    def _load_from_state_dict(self, *_: object) -> None:
        """Nothing of a step was kept."""

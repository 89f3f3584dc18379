"""Which processes share the classes, and what they tell each other. Alone, nothing is told."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Group(Protocol):
    """Processes that each hold a part of the classes and all see the whole batch."""

    @property
    def size(self) -> int: ...

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the processes, without gradient; may work in place."""
        ...

    def log_sum_exp(self, values: Tensor) -> Tensor:
        """Elementwise log Σ exp over the processes, without gradient."""
        ...

    def largest(self, values: Tensor) -> Tensor:
        """Elementwise maximum over the processes, without gradient."""
        ...


class Alone:
    """One process that holds every class."""

    size = 1

    def sum(self, values: Tensor) -> Tensor:
        return values

    def log_sum_exp(self, values: Tensor) -> Tensor:
        return values

    def largest(self, values: Tensor) -> Tensor:
        return values


ALONE = Alone()

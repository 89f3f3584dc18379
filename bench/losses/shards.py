"""Which processes share the classes, and what they tell each other. Alone, nothing is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch import distributed as dist

from bench.errors import BenchError

Fact = int | float | str | bool | None
PAGE = 512  # bytes in which a process states its facts


class Group(Protocol):
    """Processes that each hold a part of the classes and all see the whole batch.

    All of them call the same methods in the same order; each method returns the same values on every process, but for
    the gradient of ``join``.
    """

    @property
    def size(self) -> int: ...

    @property
    def rank(self) -> int: ...

    def agree(self, what: str, facts: Mapping[str, Fact]) -> None:
        """Nothing, if the facts are the same on every process. Raises BenchError on all of them if not."""
        ...

    def join(self, part: Tensor, lengths: Sequence[int], *, factor: float = 1.0) -> Tensor:
        """The rows of all processes in the order of their ranks, (Σ lengths, …), of which this one has ``part``.

        Backwards every process holds the gradient of all rows; its own part of that, times ``factor``, is ``part``'s.
        """
        ...

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the processes, without gradient; may work in place."""
        ...

    def log_sum_exp(self, values: Tensor) -> Tensor:
        """Elementwise log Σ exp over the processes, without gradient."""
        ...

    def largest(self, values: Tensor) -> Tensor:
        """Elementwise maximum over the processes, without gradient; may work in place."""
        ...


class Alone:
    """One process that holds every class."""

    size, rank = 1, 0

    def agree(self, what: str, facts: Mapping[str, Fact]) -> None:
        pass

    def join(self, part: Tensor, lengths: Sequence[int], *, factor: float = 1.0) -> Tensor:
        return part

    def sum(self, values: Tensor) -> Tensor:
        return values

    def log_sum_exp(self, values: Tensor) -> Tensor:
        return values

    def largest(self, values: Tensor) -> Tensor:
        return values


ALONE = Alone()


class Shards:
    """The processes of a torch.distributed group, None for all; sums in an order of its own, so to rounding.

    Facts travel by the CPU, because what is compared there keeps no GPU waiting: on CUDA the group needs both backends,
    ``init_process_group("cpu:gloo,cuda:nccl")``. Raises BenchError without a group, or without a CPU backend.
    """

    def __init__(self, processes: dist.ProcessGroup | None = None) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise BenchError("classes can be shared once torch.distributed.init_process_group has been called")
        backends = dist.get_backend_config(processes)
        if "cpu:" not in backends:
            raise BenchError(f"sharing classes needs a process group with 'cpu:gloo,cuda:nccl', found {backends!r}")
        self.processes = processes
        self.size, self.rank = dist.get_world_size(processes), dist.get_rank(processes)

    def agree(self, what: str, facts: Mapping[str, Fact]) -> None:
        text = json.dumps(facts).encode()
        if len(text) > PAGE:
            raise ValueError(f"facts take {len(text)} bytes of {PAGE}")
        page = torch.frombuffer(bytearray(text.ljust(PAGE)), dtype=torch.uint8)
        pages = [json.loads(bytes(found.tolist())) for found in self._gathered(page)]
        differing = [name for name in facts if any(page[name] != facts[name] for page in pages)]
        if differing:
            found = "; ".join(f"{name} {', '.join(json.dumps(page[name]) for page in pages)}" for name in differing)
            raise BenchError(f"{what} differs between processes, which are, in order: {found}")

    def join(self, part: Tensor, lengths: Sequence[int], *, factor: float = 1.0) -> Tensor:
        joined: Tensor = _Join.apply(part, self, lengths, factor)
        return joined

    def sum(self, values: Tensor) -> Tensor:
        values = values.contiguous()
        dist.all_reduce(values, dist.ReduceOp.SUM, group=self.processes)
        return values

    def log_sum_exp(self, values: Tensor) -> Tensor:
        return torch.stack(self._gathered(values)).logsumexp(dim=0)

    def largest(self, values: Tensor) -> Tensor:
        values = values.contiguous()
        dist.all_reduce(values, dist.ReduceOp.MAX, group=self.processes)
        return values

    def _gathered(self, values: Tensor) -> list[Tensor]:
        """Every process's values, all of one shape."""
        found = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(self.size)]
        dist.all_gather(found, values.contiguous(), group=self.processes)
        return found

    def rows(self, part: Tensor, lengths: Sequence[int]) -> Tensor:
        """``join`` without gradient. Shorter parts are filled up for the way: not every backend sends unequal ones."""
        longest = max(lengths)
        if len(part) < longest:
            part = torch.cat([part, part.new_zeros(longest - len(part), *part.shape[1:])])
        return torch.cat([found[:length] for found, length in zip(self._gathered(part), lengths, strict=True)])


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, shards: Shards, lengths: Sequence[int], factor: float) -> Tensor:
        ctx.own = slice(sum(lengths[: shards.rank]), sum(lengths[: shards.rank + 1]))
        ctx.factor = factor
        return shards.rows(part, lengths)

    @staticmethod
    def backward(ctx: Any, to_joined: Tensor) -> tuple[Tensor, None, None, None]:
        return to_joined[ctx.own] * ctx.factor, None, None, None


def parts_of(classes: int, size: int) -> list[range]:
    """The classes of each process: contiguous, in the order of ranks, and as equal as can be.

    Raises BenchError where there are fewer classes than processes.
    """
    if classes < size:
        raise BenchError(f"{classes} classes cannot be shared by {size} processes: each needs one at least")
    return [range(rank * classes // size, (rank + 1) * classes // size) for rank in range(size)]


def rows_within(part: range, labels: Tensor) -> Tensor:
    """Each label's row in a part of the classes, −1 where the class lies outside of it. (B,) int64."""
    return (labels - part.start).where((labels >= part.start) & (labels < part.stop), -1)

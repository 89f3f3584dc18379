"""The processes that train one run together: who does what, and what they tell each other. Alone, nothing is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from bench.errors import BenchError
from bench.losses.resharding import has_row_a_class, join_states, part_of_state
from bench.losses.shards import ALONE, Group, Shards, parts_of

T = TypeVar("T")
Parted = Callable[[str], bool]


class Move(IntEnum):
    """What comes after a step."""

    GO_ON = 0
    SAVE = 1
    STOP = 2


def normalised_together(backbone: nn.Module) -> nn.Module:
    """The backbone with batch normalisation over the batches of all processes, under the same names.

    Raises BenchError on the CPU, where torch has none.
    """
    from timm.layers import convert_sync_batchnorm  # unlike torch's it knows timm's own layers

    if any(parameter.device.type == "cpu" for parameter in backbone.parameters()):
        raise BenchError(
            "batch normalisation over the batches of several processes needs GPUs; on the CPU say "
            "recipe.bn: per_replica, take a backbone without it, or set executor.processes to 1"
        )
    converted: nn.Module = convert_sync_batchnorm(backbone)
    return converted


class Team(Protocol):
    """The processes of one run, which all call the same methods in the same order. Process 0 leads: it alone tells,
    validates, and writes. ``group`` shares the classes; ``axes``: what the draws of random layers depend on beside seed
    and step.
    """

    @property
    def size(self) -> int: ...

    @property
    def rank(self) -> int: ...

    @property
    def group(self) -> Group: ...

    @property
    def axes(self) -> Mapping[str, int]: ...

    def prepared(self, backbone: nn.Module, recipe: Mapping[str, Any]) -> nn.Module:
        """The backbone on its device, with batch normalisation as the recipe wants it. Raises BenchError where that
        cannot be had.
        """
        ...

    def network(self, backbone: nn.Module, pixels: int) -> nn.Module:
        """What to call in its place: its gradients are those of the whole batch's loss, on every process.

        ``pixels``: the side of the images.
        """
        ...

    def own(self, batch: int) -> slice:
        """Which images of a batch are this process's. Raises BenchError if they cannot be shared equally."""
        ...

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes; may work in place."""
        ...

    def clip(self, parameters: Sequence[nn.Parameter], centres: nn.Parameter, limit: float) -> Tensor:
        """Clips gradients by their norm, which is returned, (): that of one process with all rows of ``centres``."""
        ...

    def decide(self, wish: Move) -> Move:
        """What process 0 wishes."""
        ...

    def in_turn(self, read: Callable[[], T]) -> T:
        """What ``read`` returns: on process 0 first, which may put files right, then on the others."""
        ...

    def whole(self, state: Mapping[str, Tensor], parted: Parted = has_row_a_class) -> dict[str, Tensor]:
        """On process 0 the state that one process would have; elsewhere nothing of use. ``parted``: the names of
        tensors of which each process has the rows of its classes; the others must be equal everywhere.
        """
        ...

    def part(self, state: Mapping[str, Tensor], parted: Parted = has_row_a_class) -> dict[str, Tensor]:
        """This process's part of the state of one, the inverse of ``whole``."""
        ...


class OneProcess:
    """A team of one."""

    size, rank = 1, 0
    group: Group = ALONE
    axes: Mapping[str, int] = {}

    def prepared(self, backbone: nn.Module, recipe: Mapping[str, Any]) -> nn.Module:
        return backbone

    def network(self, backbone: nn.Module, pixels: int) -> nn.Module:
        return backbone

    def own(self, batch: int) -> slice:
        return slice(0, batch)

    def mean(self, values: Tensor) -> Tensor:
        return values

    def clip(self, parameters: Sequence[nn.Parameter], centres: nn.Parameter, limit: float) -> Tensor:
        return nn.utils.clip_grad_norm_(parameters, limit)

    def decide(self, wish: Move) -> Move:
        return wish

    def in_turn(self, read: Callable[[], T]) -> T:
        return read()

    def whole(self, state: Mapping[str, Tensor], parted: Parted = has_row_a_class) -> dict[str, Tensor]:
        return dict(state)

    def part(self, state: Mapping[str, Tensor], parted: Parted = has_row_a_class) -> dict[str, Tensor]:
        return dict(state)


ONE_PROCESS = OneProcess()


class Processes:
    """All processes of torch.distributed, whose group sends tensors of the CPU as well as the device's."""

    def __init__(self) -> None:
        self.group = Shards()
        self.size, self.rank = self.group.size, self.group.rank
        self.axes = {"process": self.rank}

    def prepared(self, backbone: nn.Module, recipe: Mapping[str, Any]) -> nn.Module:
        if recipe.get("bn") == "per_replica" or not any(isinstance(part, _BatchNorm) for part in backbone.modules()):
            return backbone
        return normalised_together(backbone)

    def network(self, backbone: nn.Module, pixels: int) -> nn.Module:
        network = DistributedDataParallel(backbone).eval()
        # Statistics of batch normalisation are equal already, or wanted to differ; those of process 0 are kept.
        network.broadcast_buffers = False  # as an argument, torch 2.14 warns of it
        # After its first backward pass it lays out anew what is summed together, and so the order of the sums. That
        # comes ahead of the training, so that a resumed one has the same sums.
        image = torch.zeros(1, 3, pixels, pixels, device=next(backbone.parameters()).device)
        network(image).sum().backward()
        network.zero_grad(set_to_none=True)
        return network

    def own(self, batch: int) -> slice:
        if batch % self.size:
            raise BenchError(f"recipe.batch {batch} cannot be shared equally by {self.size} processes")
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def mean(self, values: Tensor) -> Tensor:
        return self.group.sum(values) / self.size

    def clip(self, parameters: Sequence[nn.Parameter], centres: nn.Parameter, limit: float) -> Tensor:
        shared = [value.grad for value in parameters if value is not centres and value.grad is not None]
        own = [value.grad for value in (centres,) if value.grad is not None]
        squares = self.group.sum(nn.utils.get_total_norm(own).square())
        norm = (nn.utils.get_total_norm(shared).square() + squares).sqrt()
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)
        return norm

    def decide(self, wish: Move) -> Move:
        told = torch.tensor(wish)  # by the CPU, so that no GPU is waited for
        dist.broadcast(told, 0)
        return Move(int(told))

    def in_turn(self, read: Callable[[], T]) -> T:
        if self.rank:
            self.group.agree("the turn", {})
            return read()
        found = read()
        self.group.agree("the turn", {})
        return found

    def whole(self, state: Mapping[str, Tensor], parted: Parted = has_row_a_class) -> dict[str, Tensor]:
        own = {name: value.detach().cpu().contiguous() for name, value in sorted(state.items())}
        rows = self._rows({name: value for name, value in own.items() if parted(name)})
        if self.rank:
            for value in own.values():
                dist.send(value, 0)
            return {}
        parts = [own]
        for rank in range(1, self.size):
            there: dict[str, Tensor] = {}
            for name, value in own.items():
                shape = (rows[rank], *value.shape[1:]) if parted(name) else value.shape
                there[name] = value.new_empty(shape)
                dist.recv(there[name], rank)
            parts.append(there)
        return join_states(parts, parted)

    def _rows(self, parted: Mapping[str, Tensor]) -> list[int]:
        """How many rows each process has."""
        own = torch.tensor(len(next(iter(parted.values()), ())))
        return [len(part) for part in parts_of(int(self.group.sum(own)), self.size)] if parted else []

    def part(self, state: Mapping[str, Tensor], parted: Parted = has_row_a_class) -> dict[str, Tensor]:
        return part_of_state(state, self.rank, self.size, parted)

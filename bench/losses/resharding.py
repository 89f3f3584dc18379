"""The states of heads that share the classes, as that of one head, and back again for any number of processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.losses.shards import parts_of

State = Mapping[str, Tensor]


def has_row_a_class(name: str) -> bool:
    """Whether a head's tensor is a part of the classes on each process: centres and the gate's state. The rest, what
    margins and other terms remember or learn, is whole and the same everywhere.
    """
    return name == "centres" or name.startswith("term.")


def join_states(parts: Sequence[State], parted: Callable[[str], bool] = has_row_a_class) -> dict[str, Tensor]:
    """The state dict of one head from those of all processes, in the order of their ranks.

    ``parted``: which tensors hold a row a class; an optimiser's state has other names than a head's. Raises BenchError
    where the parts do not belong together: other names, rows that are not shared as ``parts_of`` shares them, or a
    whole tensor of which a process has other bits.
    """
    first, joined = parts[0], {}
    for rank, part in enumerate(parts):
        if part.keys() != first.keys():
            names = ", ".join(sorted(part.keys() ^ first.keys()))
            raise BenchError(f"the states of processes 0 and {rank} do not belong together: one alone has {names}")
    for name, value in first.items():
        if parted(name):
            lengths = [len(part[name]) for part in parts]
            if lengths != (right := [len(classes) for classes in parts_of(sum(lengths), len(parts))]):
                raise BenchError(f"{name}: processes hold {lengths} rows, and would of {sum(lengths)} classes {right}")
            joined[name] = torch.cat([part[name] for part in parts])
        else:
            for rank, part in enumerate(parts):
                if not torch.equal(part[name], value):
                    raise BenchError(f"{name}: processes 0 and {rank} must hold the same, and do not")
            joined[name] = value.clone()
    return joined


def part_of_state(
    whole: State, rank: int, size: int, parted: Callable[[str], bool] = has_row_a_class
) -> dict[str, Tensor]:
    """What the process ``rank`` of ``size`` loads of a whole head's state; the inverse of ``join_states``.

    Raises BenchError where there are fewer classes than processes.
    """
    found = {}
    for name, value in whole.items():
        own = parts_of(len(value), size)[rank] if parted(name) else None
        found[name] = (value if own is None else value[own.start : own.stop]).clone()
    return found

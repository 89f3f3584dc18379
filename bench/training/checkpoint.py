"""Checkpoints that lose nothing: one safetensors file with every tensor, the position in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from bench.store import write_bytes

Tensors = dict[str, torch.Tensor]


def save_checkpoint(path: Path, tensors: Tensors, state: dict[str, Any]) -> None:
    """Writes tensors and a JSON state whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(plain, {"state": json.dumps(state, sort_keys=True)}))


def load_checkpoint(path: Path) -> tuple[Tensors, dict[str, Any]] | None:
    """What was saved, or None if there is nothing; a broken file is set aside as ``*.broken``."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
            return {key: file.get_tensor(key) for key in file.keys()}, state  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        path.replace(path.with_name(path.name + ".broken"))
        return None


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Tensors) -> Tensors:
    start = f"{prefix}."
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> Tensors:
    """The optimiser's state as named tensors: ``0.momentum_buffer`` and the like."""
    state = optimiser.state_dict()["state"]
    return {f"{i}.{key}": value for i, item in state.items() for key, value in item.items() if value is not None}


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    state: dict[int, Tensors] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})

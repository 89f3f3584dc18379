"""Checkpoints that lose nothing: one safetensors file with every tensor, the position and a checksum in its metadata.

The one before is kept beside it until the next is complete, so that there is always a sound one to go back to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from bench.records import write_bytes

Tensors = dict[str, torch.Tensor]


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at ``path`` is kept."""
    return path.with_suffix(".previous" + path.suffix)


def save_checkpoint(path: Path, tensors: Tensors, state: dict[str, Any]) -> None:
    """Writes tensors and a JSON state whole or not at all; what stood there is kept as the checkpoint before."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(state, sort_keys=True)
    content = save(plain, {"state": text, "sha256": _checksum(plain, text)})
    if path.is_file():
        path.replace(previous(path))
    write_bytes(path, content)


def load_checkpoint(path: Path, tell: Callable[[str], None]) -> tuple[Tensors, dict[str, Any]] | None:
    """Tensors and state of the newest sound checkpoint; None if there is none.

    A broken one is set aside as ``*.broken``, told in one line, and the one before is used.
    """
    for candidate in (path, previous(path)):
        if not candidate.is_file():
            continue
        try:
            return _read(candidate)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            aside = candidate.with_name(candidate.name + ".broken")
            candidate.replace(aside)
            tell(f"checkpoint {candidate.name} is broken ({error}); it was set aside as {aside.name}")
    return None


def _read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if metadata["sha256"] != _checksum(tensors, metadata["state"]):
        raise ValueError("its checksum does not match")
    return tensors, json.loads(metadata["state"])


def _checksum(tensors: Tensors, state: str) -> str:
    """SHA-256 over the state and every tensor's name, type, shape and bytes."""
    found = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def remove_checkpoint(path: Path) -> None:
    for file in (path, previous(path)):
        file.unlink(missing_ok=True)


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
    """Puts back what ``optimiser_tensors`` found, in the memory layout of the parameters, whose kernels it decides."""
    parameters = [value for group in optimiser.param_groups for value in group["params"]]
    state: dict[int, Tensors] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        like = parameters[int(index)]
        laid_out = torch.empty_like(like, device=tensor.device).copy_(tensor) if tensor.shape == like.shape else tensor
        state.setdefault(int(index), {})[key] = laid_out
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})

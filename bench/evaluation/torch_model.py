"""A torch module as a network: from a callable named by its import path, or from timm by name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, some, unknown_name

if TYPE_CHECKING:
    import torch

CONVERT = (
    "holds a pickle, which can run any code when it is loaded, so it is not read; where you trust it, convert it once: "
    """python -c "import torch, safetensors.torch as s; s.save_file(torch.load('IN.pth', weights_only=True), """
    """'OUT.safetensors')\""""
)


def load_module(
    spec: str, *, weights: Path | None, options: Mapping[str, Any], device: torch.device
) -> torch.nn.Module:
    """The module of ``package.module:factory`` or ``timm:NAME``, in evaluation mode on the device.

    A factory is imported and called with ``options``: that runs its code. timm's models are built without downloading
    anything, so they need ``weights``, a safetensors file whose names fit exactly. Raises BenchError in one line.
    """
    import torch

    where, _, name = spec.partition(":")
    if not name:
        raise BenchError(f"--module must be package.module:factory or timm:NAME, found {spec!r}")
    if where == "timm" and weights is None:
        raise BenchError(f"--module {spec} has random weights; pass --weights FILE.safetensors")
    if weights is not None:
        _check_suffix(weights)
    make = _timm(name) if where == "timm" else _factory(where, name)
    try:
        module = make(**options)
    except Exception as error:
        raise BenchError(f"--module {spec}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    if not isinstance(module, torch.nn.Module):
        raise BenchError(f"--module {spec}: must give a torch.nn.Module, gave {type(module).__name__}")
    if weights is not None:
        load_weights(module, weights)
    return module.to(device).eval()


def load_weights(module: torch.nn.Module, path: Path) -> None:
    """Loads a safetensors file into a module, every name and shape of which must fit. Raises BenchError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _check_suffix(path)
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BenchError(f"--weights {path}: cannot be read: {error}") from None
    wanted = module.state_dict()
    problems = [f"misses {name}" for name in wanted.keys() - found.keys()]
    problems += [f"has {name}, which the module has not" for name in found.keys() - wanted.keys()]
    problems += [
        f"has {name} of shape {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted.keys() & found.keys()
        if found[name].shape != wanted[name].shape
    ]
    if problems:
        raise BenchError(f"--weights {path}: {some(sorted(problems))}")
    module.load_state_dict(found)


def _check_suffix(path: Path) -> None:
    if path.suffix != ".safetensors":
        raise BenchError(
            f"--weights {path}: must be a .safetensors file"
            if path.suffix not in _PICKLES
            else f"--weights {path}: {CONVERT}"
        )


_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".tar")


def _factory(where: str, name: str) -> Callable[..., Any]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # the user's own module usually lies where the command is given
    try:
        package = importlib.import_module(where)
    except Exception as error:
        raise BenchError(f"--module {where}: cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(package, name, None)
    if not callable(found):
        known = [n for n in dir(package) if not n.startswith("_") and callable(getattr(package, n))]
        raise BenchError(f"--module {where}: {unknown_name('callable', name, known)}")
    make: Callable[..., Any] = found
    return make


def _timm(name: str) -> Callable[..., Any]:
    import timm

    if not timm.is_model(name):
        raise BenchError(f"--module timm: {unknown_name('model', name, timm.list_models())}")
    return lambda **options: timm.create_model(name, pretrained=False, **{"num_classes": 0, **options})

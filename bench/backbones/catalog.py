"""Backbones by name: look up, build with weights from a generator alone, describe. Importing it imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.catalog import BACKBONES, Spec
from bench.errors import BenchError

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class BackboneFacts:
    """What a backbone costs: trained ``parameters``, and multiply-accumulates of the forward pass of one image.

    ``macs`` counts convolutions, matrix products and attention; normalisations and activations are not counted.
    """

    parameters: int
    macs: int


def find(name: str) -> Spec:
    """The spec of an own name or of ``timm/<model>``. Raises UnknownNameError with the nearest name."""
    return BACKBONES.get(name)


def build(config: Mapping[str, Any], *, pixels: int, generator: torch.Generator) -> nn.Module:
    """The backbone of ``{"name": …, **options}``: (B, 3, pixels, pixels) float in [-1, 1] to (B, embedding), raw.

    On CPU, float32, in training mode. Every weight follows from one draw of ``generator`` (of the CPU); the global
    generators keep their states. Raises UnknownNameError, or BenchError with every wrong option.
    """
    import torch

    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    with torch.random.fork_rng(devices=()):
        # Not torch.manual_seed: that also seeds the accelerators, whose states are not put back here.
        torch.default_generator.manual_seed(seed)
        return _construct(config, pixels)


def describe(config: Mapping[str, Any], *, pixels: int) -> BackboneFacts:
    """Parameters and cost of a backbone at a size of image, found without allocating or computing anything.

    Raises as ``build`` does.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.random.fork_rng(devices=()), torch.device("meta"):
        model = _construct(config, pixels).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, 3, pixels, pixels))
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return BackboneFacts(parameters, counter.get_total_flops() // 2)


def _construct(config: Mapping[str, Any], pixels: int) -> nn.Module:
    options = dict(config)
    spec = find(options.pop("name"))
    resolved, mistakes = spec.resolve(options)
    if mistakes:
        raise BenchError(f"backbone {spec.name!r}: " + "; ".join(f"{name}: {wrong}" for name, wrong in mistakes))
    model: nn.Module = spec.function(pixels=pixels, **resolved)
    return model

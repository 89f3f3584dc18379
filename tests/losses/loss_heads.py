"""What the tests of losses share: heads with stated centres, and resolved blocks."""

from __future__ import annotations

import itertools
import math

import torch

from bench.catalog import GATES, MARGINS, PROFILES
from bench.catalog.rules import gate_problem
from bench.losses.head import MarginHead


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def block(registry, name, **given):
    options, mistakes = registry.get(name).resolve(given)
    assert not mistakes
    return {"name": name, **options}


def margin(name, **given):
    return block(MARGINS, name, **given)


def enhancement(strength, gate="posterior", profile="matched", **gate_options):
    return {
        "strength": strength,
        "gate": block(GATES, gate, **gate_options),
        "profile": block(PROFILES, profile),
    }


def head(
    margin_block, enhancement_block=None, *, centres=None, classes=6, embedding=5, seed=0, dtype=torch.float64, **more
):
    if centres is not None:
        classes, embedding = len(centres), centres.shape[-1]
    made = MarginHead(
        margin_block, enhancement_block, classes, embedding,
        generator=generator(seed), stream=generator(seed + 1), **more,
    ).to(dtype)  # fmt: skip
    if centres is not None:
        with torch.no_grad():
            made.centres.copy_(centres if made.centres.shape == centres.shape else centres[:, None])
    return made


def margins_and_choices():
    """Every registered margin with every combination of its options that have choices."""
    blocks = []
    for spec in MARGINS:
        axes = {option.name: option.choices for option in spec.options if option.choices}
        for values in itertools.product(*axes.values()):
            blocks.append(margin(spec.name, **dict(zip(axes, values, strict=True))))
    return blocks


def admits(margin_block, gate):
    return gate_problem(MARGINS.get(margin_block["name"]), gate) is None


def centre_gradient(real):
    """The gradient of the centres, (C, d), that of several sub-centres of a class added up."""
    return real.centres.grad.reshape(len(real.centres), -1, real.centres.shape[-1]).sum(1)


def label_of(value):
    if isinstance(value, dict):
        return "-".join(str(v) for v in value.values() if isinstance(v, str))
    return None


def at_angle(centre: torch.Tensor, angles: torch.Tensor, seed: int) -> torch.Tensor:
    """Unit vectors at stated angles (B,), radians, from centres (d,) or (B, d), in random directions."""
    centre = torch.nn.functional.normalize(centre.expand(len(angles), centre.shape[-1]), dim=1)
    draw = torch.randn(centre.shape, generator=generator(seed), dtype=centre.dtype)
    tangent = torch.nn.functional.normalize(draw - (draw * centre).sum(1, keepdim=True) * centre, dim=1)
    return angles.cos()[:, None] * centre + angles.sin()[:, None] * tangent


all_angles = torch.linspace(0, math.pi, 2001, dtype=torch.float64)

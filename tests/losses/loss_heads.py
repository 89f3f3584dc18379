"""What the tests of losses share: heads with stated centres, and resolved blocks."""

from __future__ import annotations

import itertools
import math

import torch

from bench.catalog import GATES, MARGINS, PROFILES
from bench.catalog.rules import gate_problem
from bench.losses.head import MarginHead
from bench.losses.margin import chosen


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


def head(margin_block, enhancement_block=None, *, centres=None, classes=6, embedding=5, seed=0, dtype=torch.float64):
    if centres is not None:
        classes, embedding = len(centres), centres.shape[-1]
    made = MarginHead(
        margin_block, enhancement_block, classes, embedding, generator=generator(seed), stream=generator(seed + 1)
    ).to(dtype)
    if centres is not None:
        with torch.no_grad():
            made.centres.copy_(centres if made.centres.shape == centres.shape else centres[:, None])
    return made


def choices_of(spec):
    """A margin with every combination of its options that have choices, or are true or false."""
    axes = {o.name: o.choices or (True, False) for o in spec.options if o.choices or o.type is bool}
    return [margin(spec.name, **dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]


def margins_and_choices():
    """Every registered margin with every combination of its options that have choices."""
    return [block for spec in MARGINS for block in choices_of(spec)]


def margins_and_gradients():
    """Every registered margin with either gradient, all else as it is by default."""
    return [
        margin(spec.name, **{option.name: value for option in spec.options if option.name == "margin_gradient"})
        for spec in MARGINS
        for value in (("true", "straight_through") if "margin_gradient" in spec.defaults else ("",))
    ]


def admits(margin_block, gate):
    return gate_problem(MARGINS.get(margin_block["name"]), gate) is None


def pulls_up_to(margin_block, profile):
    """The angle past which a profile has no slope: that from which on ψ is declared flat, where its slope is ψ's."""
    flat = MARGINS.get(margin_block["name"]).traits.get("flat")
    if flat is None or profile != "matched" or margin_block.get("margin_gradient") == "straight_through":
        return math.inf
    return flat(**chosen(flat, margin_block))


def centre_gradient(real):
    """The gradient of the centres, (C, d), that of several sub-centres of a class added up."""
    return real.centres.grad.reshape(len(real.centres), -1, real.centres.shape[-1]).sum(1)


def label_of(value):
    if isinstance(value, dict):
        words = [v if isinstance(v, str) else f"{k}={v}" for k, v in value.items() if isinstance(v, str | bool)]
        return "-".join(words)
    return None


def at_angle(centre: torch.Tensor, angles: torch.Tensor, seed: int) -> torch.Tensor:
    """Unit vectors at stated angles (B,), radians, from centres (d,) or (B, d), in random directions."""
    centre = torch.nn.functional.normalize(centre.expand(len(angles), centre.shape[-1]), dim=1)
    draw = torch.randn(centre.shape, generator=generator(seed), dtype=centre.dtype)
    tangent = torch.nn.functional.normalize(draw - (draw * centre).sum(1, keepdim=True) * centre, dim=1)
    return angles.cos()[:, None] * centre + angles.sin()[:, None] * tangent


all_angles = torch.linspace(0, math.pi, 2001, dtype=torch.float64)

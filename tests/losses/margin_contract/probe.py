"""One step of the real head and all that came out of it."""

from __future__ import annotations

import math

import torch
from loss_heads import at_angle, generator, head

STEPS = (0, 3, 40_000)


def step(real, x, labels, *, at=0, autocast=False):
    """Forward and backward; every number of it by name."""
    probe = x.clone().requires_grad_()
    real.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        out = real(probe, labels, step=at)
    out.loss.backward()
    found = {name: getattr(out, name) for name in ("loss", "base", "term", "target_angle", "posterior", "pull")}
    found |= {f"gradient of {name}": value.grad for name, value in real.named_parameters()}
    found["gradient of x"] = probe.grad
    found |= {f"state {name}": value.clone() for name, value in real.named_buffers()}
    return {name: value.detach() for name, value in found.items() if value is not None}


def batch(real, *, size=16, seed=0):
    """Angles from .1 to 3.1 to the own centres and norms from .1 to 200, in no order; labels that miss a class."""
    centres = real.centres.detach().reshape(len(real.centres), -1, real.centres.shape[-1])[:, 0]
    draw = generator(seed)
    labels = torch.arange(size) % max(1, len(centres) - 1)
    angles = torch.linspace(0.1, 3.1, size, dtype=centres.dtype)[torch.randperm(size, generator=draw)]
    norms = torch.logspace(-1, math.log10(200), size, dtype=centres.dtype)[torch.randperm(size, generator=draw)]
    return at_angle(centres[labels], angles, seed=seed + 1) * norms[:, None], labels


def steps(real, at=STEPS):
    """Some steps on different batches; the numbers of each."""
    return [step(real, *batch(real, seed=i), at=i) for i in at]


def fresh(block, term=None, **more):
    """A head; several centres of a class lie close together, so that an embedding can be far from all of them."""
    real = head(block, term, **{"classes": 5, "embedding": 6, **more})
    if real.centres.ndim == 3 and "centres" not in more:
        with torch.no_grad():
            real.centres[:, 1:] = real.centres[:, :1] + 0.1 * real.centres[:, 1:]
    return real


def same_bits(one, other):
    """Whether two lists of steps have the same numbers, to the last bit."""
    return all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(one, other, strict=True)
    )

"""Finite everywhere, monotone, indifferent to order, and one value under both gradient conventions."""

from __future__ import annotations

import functools
import itertools
import math

import torch
from loss_heads import admits, all_angles, at_angle, enhancement, generator, head
from torch.nn.functional import normalize
from torch.testing import assert_close

from bench.catalog import MARGINS
from bench.losses.angles import slope
from bench.losses.types import MarginInput, Moment
from margin_contract.probe import batch, fresh, step

LENGTHS = (1e-4, 1.0, 1e4)


def situations():
    """Name, embeddings (B, d), labels and centres (C, d), float32."""
    axes, drawn = torch.eye(4, 8), torch.randn(4, 8, generator=generator(5))
    four = torch.arange(4)
    yield "cosines of exactly 1 and −1", torch.cat([axes, -axes]), four.repeat(2), axes
    yield "cosines of 1 and −1 but for rounding", torch.cat([drawn, -drawn]), four.repeat(2), drawn
    angles = torch.cat([torch.linspace(0, math.pi, 61), math.pi - torch.tensor([1e-3, 1e-5, 1e-7])])
    yield "every angle", at_angle(drawn[0], angles, seed=6), torch.zeros(64, dtype=torch.int64), drawn
    yield "opposite centres", drawn, four, torch.cat([drawn[:2], -drawn[:2]])
    yield "one centre twice", drawn, four, drawn[[0, 0, 1, 1]]
    yield "one class", drawn, torch.zeros(4, dtype=torch.int64), drawn[:1]
    yield "one sample", drawn[:1] + drawn[1:2], torch.tensor([1]), drawn
    yield "one sample of one class", drawn[:1], torch.tensor([0]), drawn[1:2]
    yield "one sample several times", drawn[[0, 0, 0]], torch.tensor([2, 2, 2]), drawn
    yield "two classes absent", drawn, torch.tensor([0, 2, 0, 2]), drawn
    for long_x, long_w in itertools.product(LENGTHS, LENGTHS):
        x = torch.cat([drawn + 0.1, -drawn, drawn])
        yield f"‖x‖ ≈ {long_x:g}, ‖W‖ ≈ {long_w:g}", x * long_x, four.repeat(3), drawn * long_w
    yield "no length at all", torch.zeros(2, 8), torch.tensor([0, 1]), drawn


def losses_and_gradients_are_finite(block):
    """Loss, gradients, everything reported and the state: a step in float32, and a later one in bfloat16 autocast."""
    term = enhancement(0.5, "posterior" if admits(block, "posterior") else "uniform")
    for name, x, labels, centres in situations():
        real = head(block, term, centres=centres, dtype=torch.float32)
        for at, autocast in ((0, False), (100_000, True)):
            found = step(real, x.bfloat16() if autocast else x, labels, at=at, autocast=autocast)
            for what, value in found.items():
                assert torch.isfinite(value).all(), f"{name}, autocast {autocast}: {what} is not finite"
                if not what.startswith(("gradient", "state")):
                    assert value.dtype == torch.float32, f"{what} is {value.dtype}"


def values_of(real, x, labels, at):
    """ψ's arguments of each sample, as the head asks for them."""
    centres = real.centres.detach().reshape(len(real.centres), -1, real.centres.shape[-1])
    cosines = (normalize(x)[:, None] * normalize(centres[labels], dim=2)).sum(2)
    return real.margin.values(MarginInput(cosines.amax(1), x.norm(dim=1), labels, real.margin.state, Moment(at, 1)))


def each_psi(real):
    """ψ of every sample of some batches as a function of θ, while the state moves from one to the next."""
    for at in (0, 3, 100_000):
        x, labels = batch(real, seed=at)
        real(x, labels, step=at)
        values = {name: value.detach() for name, value in values_of(real, x, labels, at).items()}
        for i in range(len(x) if values else 1):
            yield functools.partial(psi_of, real.margin, {name: value[i] for name, value in values.items()})


def psi_of(margin, values, theta):
    return margin.psi(theta, theta.cos(), {name: value.expand(len(theta)) for name, value in values.items()})


def the_target_logit_never_rises(block):
    """ψ over [0, π] of every sample of real batches."""
    for psi in each_psi(fresh(block)):
        values = psi(all_angles)
        assert values.shape == all_angles.shape
        assert torch.isfinite(values).all()
        assert (values.diff() <= 1e-12).all(), f"ψ rises by {values.diff().max():.3g}"


def the_gradient_is_that_of_its_convention(block):
    """ψ's own slope, by central differences; straight-through that of cos θ, which is also ψ's own if not angular."""
    theta = torch.linspace(0.05, 3.05, 61, dtype=torch.float64)
    for psi in each_psi(fresh(block)):
        found = slope(psi, theta)
        if block.get("margin_gradient") == "straight_through":
            assert_close(found, -theta.sin(), rtol=0, atol=1e-12)
        else:
            assert_close(found, (psi(theta + 1e-6) - psi(theta - 1e-6)) / 2e-6, rtol=0, atol=1e-7)


def row_order_does_not_matter(block):
    """Margins that draw are left out: what such a margin draws for a sample depends on its place in the batch."""
    if MARGINS.get(block["name"]).traits.get("draws"):
        return
    x, labels = batch(fresh(block))
    order = torch.randperm(len(x), generator=generator(9))
    one = step(fresh(block, enhancement(0.5, "uniform")), x, labels, at=7)
    other = step(fresh(block, enhancement(0.5, "uniform")), x[order], labels[order], at=7)
    for name, value in one.items():
        moved = name in ("target_angle", "posterior", "pull", "gradient of x")
        assert_close(value[order] if moved else value, other[name], rtol=1e-9, atol=1e-11, msg=lambda m, n=name: n + m)


def straight_through_has_the_value_of_true(block):
    """Another gradient, but the same loss, base and posterior."""
    if "margin_gradient" not in block:
        return
    true, straight = (
        step(fresh({**block, "margin_gradient": convention}), *batch(fresh(block)), at=7)
        for convention in ("true", "straight_through")
    )
    for name in ("loss", "base", "posterior"):
        if name in true:
            assert_close(true[name], straight[name], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(true["gradient of x"], straight["gradient of x"], rtol=1e-3, atol=1e-6)


def the_pull_with_the_posterior_gate_is_the_definitions(block):
    """With φ matched, s·|ψ'|·[(1−p) + λp], whatever s and ψ' are: the base's own pull, times [(1−p) + λp]/(1−p)."""
    if not admits(block, "posterior"):
        return
    x, labels = batch(fresh(block))
    base = step(fresh(block), x, labels, at=7)
    p = base["posterior"]
    settled = 1 - p > 1e-6  # where float64 keeps the digits of 1 − p
    assert settled.any()
    for strength in (0.1, 1.0, 3.0):
        enhanced = step(fresh(block, enhancement(strength)), x, labels, at=7)
        expected = base["pull"] * ((1 - p) + strength * p)
        assert_close((enhanced["pull"] * (1 - p))[settled], expected[settled], rtol=1e-7, atol=1e-9)

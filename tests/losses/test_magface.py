"""MagFace: reductions, the way of the gradient to the norm, and the bound on λ_g."""

from __future__ import annotations

import math

import pytest
import torch
from loss_heads import at_angle, generator, head, margin
from torch.testing import assert_close

from bench.catalog import MARGINS
from bench.errors import BenchError

W = torch.randn(5, 6, generator=generator(1), dtype=torch.float64)
labels = torch.tensor([0, 1, 1, 4])
angles = torch.tensor([0.4, 1.2, 2.1, 2.9], dtype=torch.float64)


def embeddings(*norms):
    return at_angle(W[labels], angles, seed=2) * torch.tensor(norms, dtype=torch.float64)[:, None]


def run(block, x):
    real, probe = head(block, centres=W), x.clone().requires_grad_()
    out = real(probe, labels)
    out.loss.backward()
    return out.loss, probe.grad, real.centres.grad


def radial(x, gradient):
    """∂L/∂‖x‖ of each sample's own loss."""
    return len(x) * (gradient * torch.nn.functional.normalize(x)).sum(1)


@pytest.mark.parametrize("gradient", ["true", "straight_through"])
@pytest.mark.parametrize("fallback", ["monotone", "legacy"])
def test_with_one_margin_and_no_reward_it_is_arcface(gradient, fallback):
    x = embeddings(5.0, 30.0, 80.0, 200.0)
    shared = {"s": 20.0, "margin_gradient": gradient, "fallback": fallback}
    mag = run(margin("magface", l_m=0.5, u_m=0.5, lambda_g=0, **shared), x)
    arc = run(margin("arcface", m=0.5, **shared), x)
    for one, other in zip(mag, arc, strict=True):
        assert_close(one, other, rtol=1e-12, atol=1e-14)


def test_the_margin_is_a_line_between_the_bounds_and_flat_outside():
    x, block = embeddings(1.0, 10.0, 60.0, 500.0), margin("magface", s=20.0, lambda_g=0)
    expected = [
        head(margin("arcface", s=20.0, m=m), centres=W)(x[i : i + 1], labels[i : i + 1]).loss
        for i, m in enumerate([0.45, 0.45, 0.625, 0.8])
    ]
    assert_close(head(block, centres=W)(x, labels).loss, torch.stack(expected).mean(), rtol=1e-12, atol=0)


def test_the_gradient_reaches_the_norm_through_margin_and_reward():
    x = embeddings(20.0, 40.0, 60.0, 100.0)
    found = {}
    for gradient in ("true", "straight_through"):
        for weight in (0, 35.0):
            block = margin("magface", margin_gradient=gradient, lambda_g=weight)
            found[gradient, weight] = radial(x, run(block, x)[1])
    reward = 35.0 * (1 / 110**2 - 1 / x.norm(dim=1) ** 2)
    for gradient in ("true", "straight_through"):
        assert_close(found[gradient, 35.0] - found[gradient, 0], reward, rtol=1e-9, atol=1e-12)
    assert (found["true", 0] > 1e-6).sum() >= 3
    assert_close(found["straight_through", 0], torch.zeros(4).double(), rtol=0, atol=1e-14)


def test_outside_the_bounds_nothing_reaches_the_norm():
    x = embeddings(1e-4, 9.0, 111.0, 1e4)
    assert_close(radial(x, run(margin("magface"), x)[1]) * x.norm(dim=1), torch.zeros(4).double(), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("relative", "leaves"), [(1.001, True), (0.9, False)])
def test_the_stated_bound_is_what_moves_the_hardest_sample_off_the_shortest_norm(relative, leaves):
    """The worst case: p ≈ 0 and θ + m = π/2, where the margin's pull on the norm is s·K."""
    s, low, high, l_m, u_m = 64.0, 10.0, 110.0, 0.45, 0.8
    bound = s * (u_m - l_m) / (high - low) * (high * low) ** 2 / (high**2 - low**2)
    assert round(bound, 1) == 22.6
    centre = torch.eye(3, dtype=torch.float64)
    theta = math.pi / 2 - l_m
    x = torch.tensor([[math.cos(theta), math.sin(theta), 0.0]], dtype=torch.float64) * (low + 1e-6)
    x.requires_grad_()
    head(margin("magface", lambda_g=relative * bound), centres=centre)(x, torch.tensor([0])).loss.backward()
    assert (radial(x.detach(), x.grad) < 0).item() == leaves
    assert dict(MARGINS.get("magface").defaults)["lambda_g"] > bound


def test_bounds_that_are_the_wrong_way_round_are_refused():
    with pytest.raises(BenchError, match=r"margin 'magface': u_a: must be above l_a \(50\), found 50"):
        head({"name": "magface", "l_a": 50, "u_a": 50})
    with pytest.raises(BenchError, match=r"margin 'magface': u_m: must be at least l_m \(0.45\), found 0.3"):
        head({"name": "magface", "u_m": 0.3})

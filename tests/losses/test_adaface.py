"""AdaFace: reductions, the clips, the detached norm and batches of one sample."""

from __future__ import annotations

import math

import loss_twin
import pytest
import torch
from loss_heads import all_angles, at_angle, generator, head, margin
from torch.testing import assert_close

from bench.losses.angles import slope
from bench.losses.margin import Margin

W = torch.randn(5, 6, generator=generator(1), dtype=torch.float64)
labels = torch.tensor([0, 1, 1, 4])


def embeddings(norms, angles=(0.4, 1.2, 2.1, 2.9)):
    x = at_angle(W[labels], torch.tensor(angles, dtype=torch.float64), seed=2)
    return x * torch.tensor(norms, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("gradient", ["true", "straight_through"])
def test_with_h_zero_it_is_cosface(gradient):
    x, found = embeddings([1.0, 20.0, 60.0, 400.0]), []
    for block in (margin("adaface", h=0, s=20.0, margin_gradient=gradient), margin("cosface", m=0.4, s=20.0)):
        real, probe = head(block, centres=W), x.clone().requires_grad_()
        out = real(probe, labels)
        out.loss.backward()
        found.append((out.loss, out.pull, probe.grad, real.centres.grad))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("z", [-1.0, -0.4, 0.0, 0.4, 1.0])
def test_psi_never_rises_whatever_the_norm(z):
    made = Margin(margin("adaface"))

    def psi(theta):
        return made.psi(theta, theta.cos(), {"z": torch.tensor([z], dtype=torch.float64)})

    assert (psi(all_angles).diff() <= 1e-12).all()
    slopes = slope(psi, all_angles)
    assert (slopes <= 1e-12).all()
    flat = (all_angles - 0.4 * z <= 1e-3) | (all_angles - 0.4 * z >= math.pi - 1e-3)
    assert not slopes[flat].any()
    assert (slopes[~flat] < 0).all()


def test_the_twin_agrees_where_z_is_clipped_on_both_sides():
    x, block = embeddings([1.0, 50.0, 52.0, 300.0], (0.4, 1.2, 2.1, 2.5)), margin("adaface", s=12.0, h=1.0)
    real = head(block, centres=W)
    real.margin.state["mean"].fill_(51.0)
    real.margin.state["std"].fill_(2.0)
    state = {name: value.tolist() for name, value in real.margin.state.items()}
    twin = loss_twin.Twin(block, None, x.tolist(), W.tolist(), labels.tolist(), margin_state=state)
    assert twin.margin.z[0] == -1
    assert twin.margin.z[3] == 1
    assert max(map(abs, twin.margin.z[1:3])) < 1
    probe = x.clone().requires_grad_()
    out = real(probe, labels)
    out.loss.backward()
    assert_close(out.loss.item(), twin.value(x.tolist(), W.tolist()), rtol=1e-12, atol=0)
    slow_x, slow_w = (torch.tensor(g, dtype=torch.float64) for g in twin.gradients(x.tolist(), W.tolist()))
    assert_close(probe.grad, slow_x, rtol=1e-7, atol=1e-8)
    assert_close(real.centres.grad, slow_w, rtol=1e-7, atol=1e-8)


def test_nothing_reaches_the_norm():
    x = embeddings([5.0, 20.0, 40.0, 90.0]).requires_grad_()
    head(margin("adaface", h=1.0), centres=W)(x, labels).loss.backward()
    assert_close((x.grad * x).sum(1).detach(), torch.zeros(4).double(), rtol=0, atol=1e-12)


def test_one_sample_moves_the_mean_and_leaves_the_spread():
    real = head(margin("adaface", rate=0.5), centres=W)
    x = embeddings([40.0, 1.0, 1.0, 1.0])[:1]
    assert torch.isfinite(real(x, labels[:1]).loss)
    assert real.margin.state["std"].item() == 100
    assert_close(real.margin.state["mean"].item(), 30.0)


def test_longer_embeddings_have_the_larger_additive_and_the_smaller_angular_margin():
    made = Margin(margin("adaface"))
    theta = torch.tensor([0.8, 0.8], dtype=torch.float64)
    low, high = made.psi(theta, theta.cos(), {"z": torch.tensor([-1.0, 1.0], dtype=torch.float64)})
    assert_close(low.item(), math.cos(0.8 + 0.4))
    assert_close(high.item(), math.cos(0.8 - 0.4) - 0.8)

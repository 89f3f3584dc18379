"""SFace: its two sigmoids rescale the gradient and carry none."""

from __future__ import annotations

import math

import torch
from loss_heads import at_angle, generator, head, margin
from torch.testing import assert_close

W = torch.randn(6, 5, generator=generator(1), dtype=torch.float64)
x = torch.randn(8, 5, generator=generator(2), dtype=torch.float64) * 2
labels = torch.tensor([0, 1, 1, 4, 0, 1, 3, 3])


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def test_the_gradient_is_that_of_the_cosines_times_the_sigmoids():
    probe = x.clone().requires_grad_()
    head(margin("sface"), centres=W)(probe, labels).loss.backward()
    for i, y in enumerate(labels):
        unit, expected = x[i] / x[i].norm(), torch.zeros(5, dtype=torch.float64)
        for j, w in enumerate(W / W.norm(dim=1, keepdim=True)):
            cosine = unit @ w
            theta = math.acos(cosine)
            rate = -64 * sigmoid(80 * (theta - 0.87)) if j == y else 64 * sigmoid(80 * (1.2 - theta))
            expected += rate * (w - cosine * unit) / x[i].norm()
        assert_close(8 * probe.grad[i], expected, rtol=1e-9, atol=1e-12)


def test_the_pull_dies_below_a_and_is_s_sine_above():
    angles = torch.tensor([0.3, 0.87, 1.6], dtype=torch.float64)
    out = head(margin("sface"), centres=W)(at_angle(W[0], angles, seed=3), torch.zeros(3, dtype=torch.int64))
    assert out.pull[0] < 1e-15
    assert_close(out.pull[1].item(), 32 * math.sin(0.87), rtol=1e-9, atol=0)
    assert_close(out.pull[2].item(), 64 * math.sin(1.6), rtol=1e-9, atol=0)


def test_a_class_further_than_b_is_not_pushed():
    corner = torch.eye(3, dtype=torch.float64)
    real = head(margin("sface"), centres=corner)
    real(torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64), torch.tensor([0])).loss.backward()
    assert real.centres.grad[2].norm() < 1e-10
    assert real.centres.grad[1].norm() < 1e-10
    assert real.centres.grad[0].norm() > 1

"""The combined margin: all three honoured, and each of its parents where the others are neutral."""

from __future__ import annotations

import math

import pytest
import torch
from loss_heads import all_angles, head, margin, psi_of
from torch.testing import assert_close

neutral = {"m1": 1.0, "m2": 0.0, "m3": 0.0}
parents = [
    ({}, "normface", {}),
    ({"m2": 0.5}, "arcface", {"m": 0.5}),
    ({"m2": math.pi / 2}, "arcface", {"m": math.pi / 2}),
    ({"m3": 0.35}, "cosface", {"m": 0.35}),
    ({"m1": 1.7}, "sphereface", {"m": 1.7}),
    ({"m1": 4.0}, "sphereface", {"m": 4.0}),
]
each_parent = pytest.mark.parametrize(("ours", "name", "theirs"), parents)


@each_parent
def test_with_one_margin_it_is_its_parent_over_all_angles(ours, name, theirs):
    combined = psi_of(margin("combined", **{**neutral, **ours}))(all_angles)
    assert_close(combined, psi_of(margin(name, **theirs))(all_angles), rtol=0, atol=1e-12)


@each_parent
def test_with_one_margin_it_trains_like_its_parent(ours, name, theirs):
    x, labels = torch.randn(7, 5, generator=torch.Generator().manual_seed(1)).double(), torch.arange(7) % 6
    gradients, outputs = [], []
    for block in (margin("combined", s=20.0, **{**neutral, **ours}), margin(name, s=20.0, **theirs)):
        real, probe = head(block), x.clone().requires_grad_()
        outputs.append(real(probe, labels))
        outputs[-1].loss.backward()
        gradients.append((probe.grad, real.centres.grad))
    assert_close(outputs[0].loss, outputs[1].loss, rtol=1e-12, atol=1e-12)
    assert_close(outputs[0].pull, outputs[1].pull, rtol=1e-9, atol=1e-12)
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("triple", [(1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.35, 0.5, 0.35)])
def test_all_three_margins_are_honoured(triple):
    m1, m2, m3 = triple
    theta = torch.tensor([0.1, 0.7, 1.3, 1.9], dtype=torch.float64)
    found = psi_of(margin("combined", m1=m1, m2=m2, m3=m3))(theta)
    expected = [math.cos(m1 * angle + m2) - m3 for angle in theta.tolist()]
    assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)


@pytest.mark.parametrize("m1", [0.5, 0.9, 1.0, 1.35, 2.0, 4.0])
@pytest.mark.parametrize("m2", [0.0, 0.3, 1.0, math.pi / 2])
def test_it_never_rises_and_never_jumps(m1, m2):
    """A jump would be a step far larger than the steepest slope, m1, allows."""
    steps = psi_of(margin("combined", m1=m1, m2=m2))(all_angles).diff()
    assert (steps <= 1e-12).all()
    assert steps.min() >= -1.001 * m1 * math.pi / 2000

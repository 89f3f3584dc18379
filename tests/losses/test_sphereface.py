"""SphereFace annealed as in the original, and the two of SphereFace-R."""

from __future__ import annotations

import math

import pytest
import torch
from loss_heads import at_angle, generator, head, margin
from torch.nn import functional as F
from torch.testing import assert_close

from bench.losses.margin import Margin
from bench.losses.types import MarginInput, Moment, Target


def batch():
    x = torch.randn(7, 5, generator=generator(1), dtype=torch.float64) * 3
    return x, torch.tensor([0, 1, 2, 3, 4, 5, 0])


def beta(step, **given):
    ones = torch.ones(3, dtype=torch.float64)
    made = Margin(margin("sphereface_annealed", **given))
    return made.values(MarginInput(ones, ones, ones.long(), {}, Moment(step, 0)))["beta"].tolist()


def test_beta_falls_with_the_step_and_stops_at_its_least():
    for step in (0, 1, 10, 100, 1000, 1650, 10**6):
        assert beta(step) == [max(5.0, 1000 / (1 + 0.12 * step))] * 3
    assert beta(1650)[0] > 5 == beta(1700)[0]
    assert beta(9, beta_start=100, beta_decay=1, beta_least=0) == [10.0] * 3


def test_with_a_large_beta_it_is_plain_softmax_of_unit_centres():
    x, labels = batch()
    x.requires_grad_()
    real = head(margin("sphereface_annealed", beta_start=1e15, beta_decay=0))
    expected = F.cross_entropy(x @ F.normalize(real.centres).T, labels)
    found = real(x, labels, step=0).loss
    assert_close(found, expected, rtol=1e-12, atol=0)
    inputs = (x, real.centres)
    for one, other in zip(torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs), strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_without_beta_the_target_is_the_papers():
    """‖x‖·ψ(θ) at m = 4, where cos 4θ is a polynomial of cos θ."""
    angles = torch.tensor([0.2, 0.9, 1.7, 2.5], dtype=torch.float64)
    W = torch.eye(4, 6, dtype=torch.float64)
    x = 2.5 * at_angle(W[0], angles, seed=3)
    real = head(margin("sphereface_annealed", beta_least=0, beta_start=0), centres=W)
    c = angles.cos()
    k = torch.tensor([0.0, 1, 2, 3], dtype=torch.float64)
    target = 2.5 * ((-1) ** k * (8 * c**4 - 8 * c**2 + 1) - 2 * k)
    logits = torch.cat([target[:, None], (x @ W.T)[:, 1:]], dim=1)
    labels = torch.zeros(4, dtype=torch.int64)
    assert_close(real(x, labels, step=9).loss, F.cross_entropy(logits, labels), rtol=1e-12, atol=0)


def test_annealing_needs_the_step_and_nothing_else():
    x, labels = batch()
    real = head(margin("sphereface_annealed"))
    with pytest.raises(ValueError, match="call the head with step="):
        real(x, labels)
    assert set(real.state_dict()) == {"centres"}
    assert real(x, labels, step=0).loss != real(x, labels, step=50).loss
    assert torch.equal(real(x, labels, step=50).loss, head(margin("sphereface_annealed"))(x, labels, step=50).loss)


@pytest.mark.parametrize("name", ["sphereface_r_v1", "sphereface_r_v2"])
def test_with_factor_one_sphereface_r_is_normface(name):
    x, labels = batch()
    one, other = (head(block)(x, labels) for block in (margin(name, m=1.0), margin("normface", s=30.0)))
    assert_close(one.loss, other.loss, rtol=1e-12, atol=1e-12)
    assert_close(one.pull, other.pull, rtol=1e-9, atol=1e-12)


def test_v1_is_flat_past_pi_over_m_and_only_there():
    W, angles = torch.eye(3, 6, dtype=torch.float64), torch.tensor([1.0, 2.09, 2.1, 3.0], dtype=torch.float64)
    assert 2.09 < math.pi / 1.5 < 2.1
    x, labels = at_angle(W[0], angles, seed=2), torch.zeros(4, dtype=torch.int64)
    true = head(margin("sphereface_r_v1"), centres=W)(x, labels)
    assert (true.pull[:2] > 0).all()
    assert not true.pull[2:].any()
    straight = head(margin("sphereface_r_v1", margin_gradient="straight_through"), centres=W)(x, labels)
    assert torch.equal(straight.loss, true.loss)
    assert (straight.pull > 0).all()


def raised(cosines, **given):
    """What v2 makes of other classes' cosines, and its slope."""
    made = Margin(margin("sphereface_r_v2", **given))
    at = torch.tensor([cosines], requires_grad=True, dtype=torch.float64)
    none = torch.zeros(1, 1)
    one = made.reduction(torch.ones(1), MarginInput(none[0], none[0], none[0].long(), {}, Moment(0, 0)))
    assert one.negative is not None
    found = one.negative(at, slice(0, 1))
    (slope,) = torch.autograd.grad(found.sum(), at)
    return found.detach()[0], slope[0]


def test_v2_brings_other_classes_nearer():
    angles = torch.tensor([0.3, 1.2, 2.0, 3.0], dtype=torch.float64)
    found, slope = raised(angles.cos().tolist())
    assert_close(found, (angles / 1.4).cos(), rtol=0, atol=1e-12)
    assert_close(slope, (angles / 1.4).sin() / (1.4 * angles.sin()), rtol=1e-9, atol=0)
    straight, its_slope = raised(angles.cos().tolist(), negative_gradient="straight_through")
    assert_close(straight, found, rtol=0, atol=1e-15)
    assert its_slope.tolist() == [1.0] * 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_v2_is_finite_where_an_other_class_lies_at_one_or_minus_one(dtype):
    """The slope in a cosine grows without bound towards −1; the gradient of an embedding does not."""
    found, slope = raised([1.0, -1.0, 1 + 1e-12, -1 - 1e-12])
    assert torch.isfinite(found).all()
    assert torch.isfinite(slope).all()
    W = torch.eye(4, 8, dtype=dtype)
    W[3] = -W[2]
    near = at_angle(W[2], torch.tensor([1e-3, 1e-2], dtype=dtype), seed=1)
    x = torch.cat([W, -W, near]).requires_grad_()
    real = head(margin("sphereface_r_v2"), centres=W, dtype=dtype)
    real(x, torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, 1])).loss.backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.norm(dim=1).max() < 30
    assert torch.isfinite(real.centres.grad).all()


def test_v2_negatives_are_elementwise_and_ignore_the_target():
    made = Margin(margin("sphereface_r_v2")).spec.traits["negative"]
    cosines = torch.tensor([[0.1, -0.4], [0.9, 0.2]], dtype=torch.float64)
    for value in (-1.0, 1.0):
        column = torch.full((2, 1), value, dtype=torch.float64)
        found = made(cosines, Target(column, column, {}), m=1.4, negative_gradient="true")
        assert_close(found, (cosines.acos() / 1.4).cos(), rtol=1e-12, atol=0)

"""Margins that look at the other classes: MV-Softmax and CurricularFace, on cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from loss_heads import generator, head, margin
from torch.nn import functional as F
from torch.testing import assert_close

mv = [("mv_softmax_arc", "arcface", 0.5), ("mv_softmax_am", "cosface", 0.35)]
each_mv = pytest.mark.parametrize(("name", "parent", "m"), mv)
each_weighting = pytest.mark.parametrize("weighting", ["adaptive", "fixed"])


def trained(block, x, W, labels):
    real, probe = head(block, centres=W), x.clone().requires_grad_()
    out = real(probe, labels)
    out.loss.backward()
    return out.loss, out.pull, probe.grad, real.centres.grad


def same(one, other):
    for a, b in zip(one, other, strict=True):
        assert_close(a, b, rtol=1e-10, atol=1e-12)


def crowded():
    """Random directions: most samples have harder negatives."""
    W = torch.randn(6, 5, generator=generator(1), dtype=torch.float64)
    return torch.randn(9, 5, generator=generator(2), dtype=torch.float64), W, torch.arange(9) % 6


def settled():
    """Every sample near its centre and far from all others: none is harder than the margin."""
    W = torch.eye(6, dtype=torch.float64)
    labels = torch.arange(9) % 6
    return W[labels] + 0.1 * torch.randn(9, 6, generator=generator(2), dtype=torch.float64), W, labels


@each_mv
@each_weighting
def test_with_weight_one_mv_softmax_is_its_parent(name, parent, m, weighting):
    ours = trained(margin(name, m=m, w=1.0, weighting=weighting), *crowded())
    same(ours, trained(margin(parent, m=m, s=32.0), *crowded()))


@each_mv
@each_weighting
def test_where_no_negative_is_harder_mv_softmax_is_its_parent(name, parent, m, weighting):
    ours = trained(margin(name, m=m, weighting=weighting), *settled())
    same(ours, trained(margin(parent, m=m, s=32.0), *settled()))


def test_where_no_negative_is_harder_curricularface_is_arcface():
    same(trained(margin("curricularface"), *settled()), trained(margin("arcface"), *settled()))


@pytest.mark.parametrize("name", ["mv_softmax_arc", "mv_softmax_am", "curricularface"])
def test_harder_negatives_do_count_for_more(name):
    parent = margin("cosface" if name.endswith("am") else "arcface", s=32.0)
    assert not torch.isclose(trained(margin(name, s=32.0), *crowded())[0], trained(parent, *crowded())[0], rtol=1e-3)


@each_mv
@pytest.mark.parametrize(("weighting", "weighed"), [("adaptive", 1.5 * 0.3 + 0.5), ("fixed", 0.3 + 0.5)])
def test_a_negative_is_hard_from_the_margin_on(name, parent, m, weighting, weighed):
    """Target at cosine .5, another class at .3: harder than the target only with its margin; a third, at 0, is not."""
    rest = math.sqrt(1 - 0.25 - 0.09)
    x = torch.tensor([[0.5, 0.3, 0.0, rest]], dtype=torch.float64)
    W, label = torch.eye(4, dtype=torch.float64)[:3], torch.tensor([0])
    psi = math.cos(math.pi / 3 + m) if parent == "arcface" else 0.5 - m
    assert 0 < psi < 0.3
    loss = head(margin(name, m=m, s=2.0, w=1.5, weighting=weighting), centres=W)(x, label).loss
    expected = F.cross_entropy(2 * torch.tensor([[psi, weighed, 0.0]], dtype=torch.float64), label)
    assert_close(loss, expected, rtol=1e-12, atol=0)


def test_curricularface_weighs_by_its_average_of_the_target_cosine():
    """t follows before it is used; it is a buffer, and stands still in evaluation."""
    rest = math.sqrt(1 - 0.25 - 0.09)
    x = torch.tensor([[0.5, 0.3, 0.0, rest]], dtype=torch.float64)
    W, label = torch.eye(4, dtype=torch.float64)[:3], torch.tensor([0])
    real = head(margin("curricularface", s=2.0, rate=0.1), centres=W)
    for t in (0.05, 0.095):
        found = real(x, label).loss
        assert_close(real.state_dict()["margin.t"].item(), t, rtol=1e-12, atol=0)
        psi = math.cos(math.pi / 3 + 0.5)
        expected = F.cross_entropy(2 * torch.tensor([[psi, 0.3 * (t + 0.3), 0.0]], dtype=torch.float64), label)
        assert_close(found, expected, rtol=1e-12, atol=0)
    assert torch.equal(real.eval()(x, label).loss, found)

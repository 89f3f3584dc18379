"""AdaCos: the fixed scale, the scale that follows, and its bounds."""

from __future__ import annotations

import math

import pytest
import torch
from loss_heads import at_angle, enhancement, generator, head, margin
from torch.testing import assert_close

W = torch.randn(6, 5, generator=generator(1), dtype=torch.float64)
x = torch.randn(8, 5, generator=generator(2), dtype=torch.float64) * 2
labels = torch.tensor([0, 1, 1, 4, 0, 1, 3, 3])


@pytest.mark.parametrize("term", [None, enhancement(0.5)], ids=["base", "enhanced"])
def test_a_fixed_scale_is_normface_at_that_scale_bit_for_bit(term):
    found = []
    fixed = head(margin("adacos", dynamic=False), term, centres=W)
    for real in (fixed, head(margin("normface", s=fixed.margin.state["s"].item()), term, centres=W)):
        out = real(x, labels)
        out.loss.backward()
        found.append((out.loss, out.pull, out.posterior, real.centres.grad))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert_close(fixed.margin.state["s"].item(), math.sqrt(2) * math.log(5), rtol=1e-6, atol=0)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_few_classes_keep_a_finite_positive_scale(classes):
    real = head(margin("adacos"), centres=W[:classes])
    for _ in range(5):
        out = real(x, labels % classes)
        assert torch.isfinite(out.loss)
        assert real.margin.state["s"] >= math.sqrt(2) * math.log(2) - 1e-6


def scale_after(angles):
    """s once a batch of class 0 at these angles has been seen, and log B_avg."""
    real = head(margin("adacos"), centres=W)
    before = real.margin.state["s"].item()
    batch = at_angle(W[0], torch.tensor(angles, dtype=torch.float64), seed=3)
    real(batch, torch.zeros(len(angles), dtype=torch.int64))
    cosines = batch @ torch.nn.functional.normalize(W[1:]).T
    return real.margin.state["s"].item(), (before * cosines).exp().sum(1).mean().log().item()


def test_of_an_even_batch_the_lower_median_counts_and_never_more_than_45_degrees():
    after, log_b = scale_after([0.7, 0.2, 0.6, 0.3])
    assert_close(after, log_b / math.cos(0.3), rtol=1e-9, atol=0)
    after, log_b = scale_after([0.7, 0.2, 0.6, 0.3, 0.1])
    assert_close(after, log_b / math.cos(0.3), rtol=1e-9, atol=0)
    after, log_b = scale_after([1.4, 1.2, 1.3])
    assert_close(after, log_b * math.sqrt(2), rtol=1e-9, atol=0)


def test_a_scale_that_feeds_on_itself_is_held():
    """Untrained, with 1,000 classes in 8 dimensions, the formula alone would pass 1e9 within 60 batches."""
    real, stream = head(margin("adacos"), classes=1000, embedding=8, dtype=torch.float32), generator(3)
    for _ in range(40):
        batch = torch.randn(64, 8, generator=stream).requires_grad_()
        real(batch, torch.randint(0, 1000, (64,), generator=stream)).loss.backward()
        assert torch.isfinite(batch.grad).all()
    assert real.margin.state["s"] == 1000


def test_the_enhancing_term_and_the_reported_pull_use_the_scale_of_the_batch():
    real = head(margin("adacos"), enhancement(1.0, "uniform", "angle"), centres=W)
    out = real(x, labels)
    assert_close(out.term, real.margin.state["s"] * out.target_angle.mean(), rtol=1e-12, atol=0)

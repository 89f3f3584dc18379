"""Sub-center ArcFace: one centre a class is ArcFace, and only the nearest of several counts."""

from __future__ import annotations

import pytest
import torch
from loss_heads import enhancement, generator, head, margin
from torch.nn.functional import normalize
from torch.testing import assert_close

W = torch.randn(4, 3, 5, generator=generator(1), dtype=torch.float64)
x = torch.randn(6, 5, generator=generator(2), dtype=torch.float64) * 2
labels = torch.tensor([0, 1, 1, 3, 0, 3])


def run(block, centres, term=None):
    real, probe = head(block, term, centres=centres), x.clone().requires_grad_()
    out = real(probe, labels)
    out.loss.backward()
    return out, probe.grad, real.centres.grad


@pytest.mark.parametrize("term", [None, enhancement(0.5), enhancement(0.5, "satisfied", "squared")])
@pytest.mark.parametrize("gradient", ["true", "straight_through"])
def test_one_centre_a_class_is_arcface_bit_for_bit(gradient, term):
    one, *theirs = run(margin("arcface", margin_gradient=gradient), W[:, 0], term)
    other, *ours = run(margin("subcenter_arcface", k=1, margin_gradient=gradient), W[:, 0], term)
    for a, b in zip([one.loss, one.pull, *theirs], [other.loss, other.pull, *ours], strict=True):
        assert torch.equal(a, b)


def test_heads_of_one_seed_share_their_first_centres():
    several, one = head(margin("subcenter_arcface"), seed=3), head(margin("arcface"), seed=3)
    assert several.centres.shape == (6, 3, 5)
    assert torch.equal(several.centres[:, 0], one.centres)


def test_centres_that_are_nearest_to_no_sample_are_not_moved():
    gradient = run(margin("subcenter_arcface", s=8.0), W)[2]
    nearest = torch.einsum("bd,ckd->bck", normalize(x), normalize(W, dim=2)).argmax(2)
    used = torch.zeros(4, 3, dtype=torch.bool)
    for row in nearest:
        used[torch.arange(4), row] = True
    assert not used.all()
    assert (gradient.norm(dim=2) > 0)[used].all()
    assert not gradient[~used].any()


def test_it_is_pytorch_metric_learnings():
    """Within θ + m ≤ π, past which PML lets the logit rise again; its margin is in degrees."""
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    theirs = losses.SubCenterArcFaceLoss(num_classes=4, embedding_size=5, margin=20.0, scale=30.0, sub_centers=3)
    theirs.W.data = W.reshape(12, 5).T.clone()
    out, gradient, _ = run(margin("subcenter_arcface", m=20.0 / 180 * torch.pi, s=30.0), W)
    assert out.target_angle.max() < torch.pi - 0.4
    probe = x.clone().requires_grad_()
    expected = theirs(probe, labels)
    expected.backward()
    assert_close(out.loss.detach(), expected.detach(), rtol=1e-5, atol=0)
    assert_close(gradient, probe.grad, rtol=1e-4, atol=1e-6)

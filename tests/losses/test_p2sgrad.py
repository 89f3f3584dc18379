"""P2SGrad: the gradient that the paper states, and an independent implementation."""

from __future__ import annotations

import pytest
import torch
from loss_heads import enhancement, generator, head, margin
from torch.testing import assert_close

W = torch.randn(6, 5, generator=generator(1), dtype=torch.float64)
x = torch.randn(8, 5, generator=generator(2), dtype=torch.float64) * 2
labels = torch.tensor([0, 1, 1, 4, 0, 1, 3, 3])


@pytest.mark.parametrize("weight", [1.0, 30.0])
def test_the_gradient_is_the_papers_times_the_weight(weight):
    """Σ_j (cos θ_j − 1[j = y])·∇cos θ_j, with ∇cos θ_j = (ŵ_j − cos θ_j·x̂)/‖x‖, eq. 11."""
    probe = x.clone().requires_grad_()
    term = enhancement(1.0, "uniform", "angle")
    out = head(margin("p2sgrad", weight=weight), term, centres=W)(probe, labels)
    assert_close(out.term, weight * out.target_angle.mean(), rtol=1e-12, atol=0)
    head(margin("p2sgrad", weight=weight), centres=W)(probe, labels).loss.backward()
    for i, y in enumerate(labels):
        unit, expected = x[i] / x[i].norm(), torch.zeros(5, dtype=torch.float64)
        for j, w in enumerate(W / W.norm(dim=1, keepdim=True)):
            cosine = unit @ w
            expected += (cosine - float(j == y)) * (w - cosine * unit) / x[i].norm()
        assert_close(8 * probe.grad[i], weight * expected, rtol=1e-12, atol=1e-14)


def test_pytorch_metric_learning_has_it_times_two_over_the_number_of_classes():
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    theirs = losses.P2SGradLoss(descriptors_dim=5, num_classes=6)
    theirs.weight.data = W.T.clone()
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours = head(margin("p2sgrad"), centres=W)(one, labels).loss
    expected = theirs(other, labels)
    assert_close(ours * 2 / 6, expected, rtol=1e-6, atol=0)
    ours.backward()
    expected.backward()
    assert_close(one.grad * 2 / 6, other.grad, rtol=1e-5, atol=1e-9)

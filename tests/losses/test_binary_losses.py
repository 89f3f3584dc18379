"""SphereFace2 and UniFace: binary cross-entropies with one learned bias."""

from __future__ import annotations

import math

import loss_twin
import pytest
import torch
from loss_heads import at_angle, enhancement, generator, head, margin
from slow_margins import slow_margin
from torch.nn.functional import binary_cross_entropy_with_logits, normalize, one_hot
from torch.testing import assert_close

W = torch.randn(6, 5, generator=generator(1), dtype=torch.float64)
x = torch.randn(8, 5, generator=generator(2), dtype=torch.float64) * 2
labels = torch.tensor([0, 1, 1, 4, 0, 1, 3, 3])
blocks = [
    margin("sphereface2"),
    margin("sphereface2", margin_gradient="straight_through", t=1.5, r=7.0),
    margin("uniface", s=9.0, balance=0.3),
]
each_loss = pytest.mark.parametrize("block", blocks, ids=["sphereface2", "straight_through", "uniface"])


@each_loss
@pytest.mark.parametrize("term", [None, enhancement(0.5), enhancement(0.5, "satisfied")], ids=["base", "p", "sat"])
def test_the_bias_gets_its_gradient_from_own_and_other_classes_but_none_from_the_term(block, term):
    real = head(block, term, centres=W)
    real(x, labels).loss.backward()

    def value(bias):
        state = {"bias": bias}
        twin = loss_twin.Twin(block, None, x.tolist(), W.tolist(), labels.tolist(), margin_state=state)
        return twin.value(x.tolist(), W.tolist())

    start, h = real.margin.bias.item(), 1e-4
    slow = (8 * (value(start + h) - value(start - h)) - (value(start + 2 * h) - value(start - 2 * h))) / (12 * h)
    assert_close(real.margin.bias.grad.item(), slow, rtol=1e-7, atol=1e-9)


@each_loss
@pytest.mark.parametrize("classes_at_a_time", [1, 4])
def test_the_bias_gets_the_same_gradient_from_a_block_of_classes_at_a_time(block, classes_at_a_time):
    found = []
    for size in (None, classes_at_a_time):
        real = head(block, centres=W)
        real.block = size
        real(x, labels).loss.backward()
        found.append(real.margin.bias.grad)
    assert_close(*found, rtol=1e-12, atol=0)


@each_loss
def test_the_bias_is_trained_and_saved_with_the_head(block):
    real = head(block, centres=W)
    start = real.margin.bias.item()
    optimiser = torch.optim.SGD(real.parameters(), lr=0.1)
    real(x, labels).loss.backward()
    optimiser.step()
    assert real.margin.bias.item() != start
    other = head(block, centres=W)
    other.load_state_dict(real.state_dict())
    assert torch.equal(other(x, labels).loss, real(x, labels).loss)


def test_sphereface2_is_torchs_weighted_binary_cross_entropy():
    """As OpenSphere writes it: a mean over classes of which the number of classes is a factor."""
    ours, theirs = (head(margin("sphereface2"), centres=W) for _ in range(2))
    out = ours(x, labels)
    cosines = normalize(x) @ normalize(theirs.centres).T
    own = one_hot(labels, 6).double()
    logits = 40 * (2 * ((cosines + 1) / 2) ** 3 - 1 - 0.4 * (2 * own - 1)) + theirs.margin.bias
    weight = 50 * 6 / 40 * (0.7 * own + 0.3 * (1 - own))
    expected = binary_cross_entropy_with_logits(logits, own, weight=weight)
    assert_close(out.loss, expected, rtol=1e-12, atol=0)
    assert_close(out.posterior, logits.sigmoid()[range(8), labels].detach(), rtol=1e-10, atol=0)
    out.loss.backward()
    expected.backward()
    assert_close(ours.centres.grad, theirs.centres.grad, rtol=1e-9, atol=1e-14)
    assert_close(ours.margin.bias.grad, theirs.margin.bias.grad, rtol=1e-9, atol=1e-14)


def test_uniface_is_torchs_binary_cross_entropy_summed_over_classes():
    ours, theirs = (head(margin("uniface"), centres=W) for _ in range(2))
    cosines = normalize(x) @ normalize(theirs.centres).T
    own = one_hot(labels, 6).double()
    logits = 64 * (cosines - 0.4 * own) - theirs.margin.bias
    expected = 6 * binary_cross_entropy_with_logits(logits, own)
    out = ours(x, labels)
    assert_close(out.loss, expected, rtol=1e-12, atol=0)
    out.loss.backward()
    expected.backward()
    assert_close(ours.centres.grad, theirs.centres.grad, rtol=1e-9, atol=1e-14)
    assert_close(ours.margin.bias.grad, theirs.margin.bias.grad, rtol=1e-9, atol=1e-14)
    assert_close(ours.margin.bias.item(), math.log(60), rtol=1e-6, atol=0)


@pytest.mark.parametrize("classes", [2, 3, 4, 50, 100_000])
@pytest.mark.parametrize("options", [{}, {"r": 300.0, "m": 0.9}, {"t": 1.0, "m": 0.0}, {"alpha": 0.99}, {"r": 0.5}])
def test_sphereface2_starts_from_the_bias_that_is_best_where_all_cosines_are_zero(classes, options):
    block = margin("sphereface2", **options)
    bias = head(block, classes=classes, embedding=2).margin.bias.item()
    r, m, t, alpha = (block[name] for name in ("r", "m", "t", "alpha"))
    own, other = (r * (2 * 0.5**t - 1 + sign * m) for sign in (-1, 1))
    pull = alpha / (1 + math.exp(own + bias))
    push = (1 - alpha) * (classes - 1) / (1 + math.exp(-other - bias))
    assert abs(pull - push) <= 1e-4 * pull


def test_one_class_has_a_finite_bias():
    assert math.isfinite(head(margin("sphereface2"), classes=1).margin.bias.item())


def test_classes_straight_behind_stay_finite_where_rounding_puts_their_cosine_below_minus_one():
    probe = torch.randn(100, 7, generator=generator(3))
    cosines = normalize(probe) @ normalize(-probe).T
    assert (cosines.diagonal() < -1).any()
    real = head(margin("sphereface2", t=2.5), centres=-probe, dtype=torch.float32)
    probe.requires_grad_()
    out = real(probe, (torch.arange(100) + 1) % 100)
    out.loss.backward()
    for value in (out.loss, probe.grad, real.centres.grad):
        assert torch.isfinite(value).all()


@pytest.mark.parametrize(("name", "gap"), [("sphereface2", 0.8), ("uniface", 0.4)])
def test_satisfied_compares_logits_with_their_margins(name, gap):
    """SphereFace2 has a margin on both sides, of g; UniFace one, of the cosine."""
    lift = (lambda c: 2 * ((c + 1) / 2) ** 3 - 1) if name == "sphereface2" else (lambda c: c)
    centres = torch.eye(3, dtype=torch.float64)[:2]
    seen = set()
    for angle in torch.linspace(0.0, math.pi / 2, 61, dtype=torch.float64):
        sample = torch.stack([angle.cos(), angle.sin(), angle * 0])[None]
        out = head(margin(name), enhancement(1.0, "satisfied", "angle"), centres=centres)(sample, torch.tensor([0]))
        expected = bool(lift(angle.cos()) - lift(angle.sin()) > gap)
        assert (out.term > 0).item() == expected
        seen.add(expected)
    assert seen == {True, False}


def test_the_prefactor_is_what_is_left_of_the_pull_without_the_posterior():
    for block in blocks:
        point = {"bias": head(block, centres=W).margin.bias.item()}
        twin = loss_twin.Twin(block, None, x.tolist(), W.tolist(), labels.tolist(), margin_state=point)
        assert isinstance(twin.margin, slow_margin(block["name"]))
        for i, sample in enumerate(twin.samples(x.tolist(), W.tolist())):
            h = 1e-5
            drive = (twin.margin.loss(i, sample.psi - h, []) - twin.margin.loss(i, sample.psi + h, [])) / (2 * h)
            assert_close(drive / (1 - sample.p), twin.margin.prefactor(i, 1.0), rtol=1e-4, atol=0)
            angle = torch.tensor([sample.theta], dtype=torch.float64)
            alone = head(block, enhancement(1.0, "uniform", "angle"), centres=W)(
                at_angle(W[labels[i]], angle, seed=i), labels[i : i + 1]
            )
            assert_close(alone.term.item(), twin.margin.prefactor(i, 1.0) * sample.theta, rtol=1e-9, atol=0)

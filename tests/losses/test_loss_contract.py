"""Every registered margin × gate × profile against the slow twin: value and gradient, through the real head."""

from __future__ import annotations

import math

import loss_twin
import pytest
import torch
from loss_heads import (
    admits,
    at_angle,
    block,
    centre_gradient,
    enhancement,
    generator,
    head,
    label_of,
    margins_and_choices,
    margins_and_gradients,
)
from slow_gates import slow_gate
from slow_margins import slow_margin
from torch.testing import assert_close

from bench.catalog import GATES, MARGINS, PROFILES
from bench.losses.types import Moment

labels = torch.tensor([0, 2, 1, 2, 3])
STEP = 7


def gentle(made):
    """With a scale at which no posterior underflows."""
    return [{**block, "s": 12.0} if "s" in block else block for block in made]


blocks = gentle(margins_and_choices())
each_margin = pytest.mark.parametrize("margin", blocks, ids=label_of)
each_margin_and_gate = pytest.mark.parametrize(
    ("margin", "gate"),
    [(b, gate) for b in gentle(margins_and_gradients()) for gate in GATES.names() if admits(b, gate)],
    ids=label_of,
)


def point():
    """Raw embeddings and centres of unequal norms, whose target angles reach every branch of every margin."""
    W = torch.randn(4, 4, generator=generator(3), dtype=torch.float64)
    angles = torch.tensor([0.3, 0.9, 1.7, 2.4, 2.95], dtype=torch.float64)
    X = at_angle(W[labels], angles, seed=4)
    return X * torch.tensor([0.5, 1.0, 1.5, 2.0, 0.8], dtype=torch.float64)[:, None], W


def agrees(margin, term, *, gradient=True, length=1.0):
    X, W = point()
    X = length * X
    if (sub := head(margin, centres=W).margin.centres_a_class) > 1:
        W = torch.stack([W, *(W + torch.randn(W.shape, generator=generator(5 + k)) for k in range(sub - 1))], dim=1)
    real = head(margin, term, centres=W)
    state = None
    if real.term is not None and real.term.state:
        real.term.state["share"].copy_(torch.tensor([0.9, 0.6, 0.2, 0.5]))
        state = {name: buffer.tolist() for name, buffer in real.term.state.items()}
    kept = {name: value.tolist() for name, value in real.margin.state.items()}
    stream = Moment(STEP, generator(1).initial_seed())
    twin = loss_twin.Twin(
        margin, term, X.tolist(), W.tolist(), labels.tolist(), state, margin_state=kept, generator=stream.generator,
        step=STEP,
    )  # fmt: skip
    x = X.clone().requires_grad_()
    out = real(x, labels, step=STEP)
    assert_close(out.loss.item(), twin.value(X.tolist(), W.tolist()), rtol=1e-12, atol=1e-12)
    samples = twin.samples(X.tolist(), W.tolist())
    assert_close(out.target_angle.tolist(), [s.theta for s in samples], rtol=0, atol=1e-12)
    assert (out.posterior is None) == (samples[0].p is None)
    if out.posterior is not None:
        assert_close(out.posterior.tolist(), [s.p for s in samples], rtol=1e-10, atol=0.0)
    assert_close(out.base.item(), math.fsum(s.base for s in samples) / 5, rtol=1e-12, atol=1e-12)
    after = {name: value for name, value in real.margin.state.items() if not value.requires_grad}
    assert set(after) == set(twin.point.after)
    for name, value in after.items():
        assert_close(value.double(), torch.tensor(twin.point.after[name], dtype=torch.float64), rtol=1e-12, atol=1e-12)
    if gradient:
        out.loss.backward()
        slow_x, slow_w = twin.gradients(X.tolist(), W.tolist())
        assert_close(x.grad, torch.tensor(slow_x, dtype=torch.float64), rtol=1e-7, atol=1e-8)
        assert_close(real.centres.grad, torch.tensor(slow_w, dtype=torch.float64), rtol=1e-7, atol=1e-8)


def test_the_twin_covers_every_registry():
    for name in MARGINS.names():
        assert slow_margin(name)
    for name in GATES.names():
        assert slow_gate(name)
    assert set(loss_twin.PHI) == set(PROFILES.names())


@each_margin
@pytest.mark.parametrize("length", [1.0, 60.0], ids=["short", "long"])
def test_base_loss_and_its_gradient(margin, length):
    """Norms from .5 to 2, and from 30 to 120, of which a margin may read."""
    agrees(margin, None, length=length)


@each_margin_and_gate
@pytest.mark.parametrize("profile", PROFILES.names())
def test_enhanced_loss_and_its_gradient(margin, gate, profile):
    agrees(margin, enhancement(0.7, gate, profile))


def test_exponent_of_the_posterior_gate():
    agrees(block(MARGINS, "cosface", s=5.0), enhancement(0.7, gamma=2.5))


@each_margin
def test_default_scale_and_options(margin):
    agrees(block(MARGINS, margin["name"]), enhancement(0.1, "uniform"), gradient=False)


@each_margin
@pytest.mark.parametrize("profile", PROFILES.names())
def test_reported_pull_is_the_length_of_the_own_centres_gradient(margin, profile):
    """With one sample the own centre feels θ_y alone, so ‖∇W_y‖·‖W_y‖ is |∂L/∂θ_y|."""
    X, W = point()
    for i, y in enumerate(labels):
        real = head(margin, enhancement(0.7, "uniform", profile), centres=W)
        out = real(X[i : i + 1], labels[i : i + 1], step=STEP)
        out.loss.backward()
        gradient, centre = centre_gradient(real)[y], torch.nn.functional.normalize(W[y], dim=0)
        across = gradient - (gradient @ centre) * centre
        assert_close(across.norm() * W[y].norm(), out.pull[0], rtol=1e-9, atol=1e-12)


def test_reported_pull_needs_no_gradient_mode():
    X, W = point()
    real = head(blocks[0], enhancement(0.5), centres=W).eval()
    expected = real(X, labels).pull
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(real(X, labels).pull, expected)


@each_margin
def test_row_order_does_not_matter(margin):
    if MARGINS.get(margin["name"]).traits.get("draws"):
        return  # what such a margin draws for a sample depends on its place in the batch
    X, W = point()
    order = torch.tensor([3, 0, 4, 1, 2])
    one, other = (
        head(margin, enhancement(0.5, "uniform"), centres=W)(X[rows], labels[rows], step=STEP)
        for rows in (torch.arange(5), order)
    )
    assert_close(one.loss, other.loss, rtol=1e-12, atol=1e-12)
    assert_close(one.pull[order], other.pull, rtol=1e-12, atol=1e-12)


@each_margin
@pytest.mark.parametrize("length", [1e-4, 1.0, 1e4])
def test_finite_for_embeddings_of_any_length(margin, length):
    X, W = point()
    for term in (None, enhancement(0.7, "uniform")):
        real, probe = head(margin, term, centres=W, dtype=torch.float32), (length * X).float().requires_grad_()
        for step in range(3):
            out = real(probe, labels, step=step)
            out.loss.backward()
            for value in (out.loss, out.pull, probe.grad, real.centres.grad, *real.margin.state.values()):
                assert torch.isfinite(value).all()

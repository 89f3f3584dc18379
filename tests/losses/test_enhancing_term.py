"""What must hold of the gradient-enhancing term, as the definition of the project lists it (points 1 to 5).

The pull from which point 1 follows is checked for every margin by ``margin_contract``: here its bounds are measured.
"""

from __future__ import annotations

import math

import pytest
import torch
from loss_heads import (
    admits,
    at_angle,
    centre_gradient,
    enhancement,
    generator,
    head,
    label_of,
    margin,
    margins_and_gradients,
    pulls_up_to,
)
from throwaway_margins import registered, squares
from torch.testing import assert_close

from bench.catalog import GATES, MARGINS, PROFILES
from bench.errors import BenchError

directions, dimension, classes, scale, theta = 2000, 16, 50, 32.0, 0.5
subjects = [
    margin("arcface", s=scale),
    margin("arcface", s=scale, margin_gradient="straight_through"),
    margin("cosface", s=scale),
]
each_subject = pytest.mark.parametrize("block", subjects, ids=label_of)
each_margin = pytest.mark.parametrize("block", margins_and_gradients(), ids=label_of)
each_gate = pytest.mark.parametrize("gate", GATES.names())
each_margin_and_gate = pytest.mark.parametrize(
    ("block", "gate"), [(b, g) for b in margins_and_gradients() for g in GATES.names() if admits(b, g)], ids=label_of
)
each_profile = pytest.mark.parametrize("profile", PROFILES.names())
terms = [None, *(enhancement(0.5, gate, profile) for gate in GATES.names() for profile in PROFILES.names())]


def term_name(value):
    if value is None:
        return "base"
    return f"{value['gate']['name']}-{value['profile']['name']}" if "gate" in value else label_of(value)


# A gate and a profile are multiplied: each is with every margin once, and each gate with each profile elsewhere.
each_once = [t for t in terms if t is None or t["gate"]["name"] == "uniform" or t["profile"]["name"] == "matched"]
each_margin_and_term = pytest.mark.parametrize(
    ("block", "term"),
    [(b, t) for b in margins_and_gradients() for t in each_once if t is None or admits(b, t["gate"]["name"])],
    ids=term_name,
)


def batch(seed=0):
    W = torch.randn(6, 5, generator=generator(seed), dtype=torch.float64)
    x = torch.randn(8, 5, generator=generator(seed + 1), dtype=torch.float64) * 2
    return x, W, torch.tensor([0, 1, 1, 4, 0, 1, 3, 3])


def pulls(block, strength):
    """|∂L/∂θ_y| of samples at θ in 2,000 random directions from one centre, by autograd through the real head.

    The gradient that reaches the target's cosine is the total ∂L/∂cos θ_y with the negatives' cosines held fixed.
    """
    W = torch.randn(classes, dimension, generator=generator(11), dtype=torch.float64)
    real = head(block, enhancement(strength), centres=W)
    reached, psi = [], real.margin.psi

    def spy(angle, cosine, values):
        if cosine.requires_grad and not reached:
            cosine.retain_grad()
            reached.append(cosine)
        return psi(angle, cosine, values)

    real.margin.psi = spy
    x = at_angle(W[0], torch.full((directions,), theta, dtype=torch.float64), seed=12)
    out = real(x, torch.zeros(directions, dtype=torch.int64))
    out.loss.backward()
    found = -reached[0].grad * directions * math.sin(theta)
    assert_close(found, out.pull, rtol=1e-9, atol=1e-12)
    return found


def evenness(block, strength):
    found = pulls(block, strength)
    return (found.min() / found.max()).item()


@each_subject
def test_the_base_pull_is_anisotropic(block):
    assert evenness(block, 0.0) < 0.01


@each_subject
@pytest.mark.parametrize("strength", [0.01, 0.1, 0.5, 0.9, 1.0])
def test_weakest_over_strongest_pull_is_at_least_the_strength(block, strength):
    assert evenness(block, strength) >= strength - 1e-9


@each_subject
def test_strength_one_is_isotropic(block):
    assert abs(evenness(block, 1.0) - 1) < 1e-9


@each_subject
@pytest.mark.parametrize("strength", [2.0, 10.0])
def test_above_one_the_bound_is_the_inverse(block, strength):
    assert evenness(block, strength) >= 1 / strength - 1e-9


@pytest.mark.parametrize(("strength", "stated"), [(0.1, 0.101), (0.5, 0.501), (1.0, 1.0)])
@each_subject
def test_measured_bounds(block, strength, stated):
    """The values that the definition states for its own draw of centres; the third decimal depends on the draw."""
    assert abs(evenness(block, strength) - stated) < 0.003


@each_margin
def test_strength_zero_is_the_base_loss_bit_for_bit(block):
    x, W, labels = batch()
    outputs = []
    for term, strength in ((None, None), (enhancement(0.0), None), (enhancement(0.8, "uniform"), 0.0)):
        real, probe = head(block, term, centres=W), x.clone().requires_grad_()
        out = real(probe, labels, step=3, strength=strength)
        out.loss.backward()
        assert out.term is None
        assert torch.equal(out.loss, out.base)
        outputs.append((out.loss, probe.grad, real.centres.grad, out.pull))
        assert not any(name.startswith("term") for name in real.state_dict())
    for other in outputs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(outputs[0], other, strict=True))


@each_margin_and_gate
@each_profile
def test_negative_centres_feel_nothing_of_the_term(block, gate, profile):
    """Classes 2 and 5 occur in no label: their gradient keeps every bit. The others change by the term alone."""
    x, W, labels = batch()
    gradients = []
    for strength in (0.0, 0.8):
        real = head(block, enhancement(strength, gate, profile), centres=W)
        if strength and gate == "spectral":
            real.term.state["share"].fill_(0.8)
        real(x, labels, step=3).loss.backward()
        gradients.append(real.centres.grad)
    base, enhanced = gradients
    assert torch.equal(base[[2, 5]], enhanced[[2, 5]])
    if gate != "satisfied":
        assert not torch.equal(base[[0, 1, 3, 4]], enhanced[[0, 1, 3, 4]])


@each_margin
@each_profile
def test_the_term_pulls_embedding_and_own_centre_together(block, profile):
    _, W, _ = batch()
    labels, angles = torch.tensor([0, 1, 4, 5]), torch.tensor([0.4, 1.1, 1.9, 2.8], dtype=torch.float64)
    W, x = torch.nn.functional.normalize(W), at_angle(torch.nn.functional.normalize(W)[labels], angles, seed=3)
    moves = []
    for strength in (0.0, 1.0):
        probe = x.clone().requires_grad_()
        real = head(block, enhancement(strength, "uniform", profile), centres=W)
        real(probe, labels, step=3).loss.backward()
        moves.append((probe.grad, centre_gradient(real)[labels]))
    by_term = [-(after - before) for before, after in zip(*moves, strict=True)]
    pulled = angles < pulls_up_to(block, profile)
    assert torch.equal((by_term[0] * W[labels]).sum(1) > 0, pulled)
    assert torch.equal((by_term[1] * x).sum(1) > 0, pulled)


@each_gate
@each_profile
def test_gate_and_scale_carry_no_gradient(gate, profile):
    """The term's gradient in the length of x is none, and doubling x and W scales plain softmax's term fourfold."""
    x, W, labels = batch()
    block = margin("softmax")
    pair = []
    for term in (None, enhancement(0.8, gate, profile)):
        real, probe = head(block, term, centres=W), x.clone().requires_grad_()
        if gate == "spectral" and term:
            real.term.state["share"].fill_(0.8)
        real(probe, labels).loss.backward()
        pair.append(probe.grad)
    along = ((pair[1] - pair[0]) * x).sum(1)
    assert_close(along, torch.zeros_like(along), rtol=0, atol=1e-12)
    one, four = (head(block, enhancement(0.8, "uniform", profile), centres=k * W)(k * x, labels).term for k in (1, 2))
    assert_close(4 * one, four, rtol=1e-12, atol=0)


def test_uniform_gate_with_angle_profile_is_arcfaces_intra_loss():
    """λ = 1/(πs) with φ = θ is the mean of θ/π."""
    x, W, labels = batch()
    real = head(margin("arcface"), enhancement(1 / (math.pi * 64), "uniform", "angle"), centres=W)
    out = real(x, labels)
    assert_close(out.term, out.target_angle.mean() / math.pi, rtol=1e-12, atol=0)


def test_satisfied_gate_counts_the_margin():
    """The sample beats its neighbour by .2 in cosine: past a margin of .1, not past one of .35."""
    W = torch.eye(3, dtype=torch.float64)
    x = torch.tensor([[0.6, 0.4, math.sqrt(1 - 0.52)]], dtype=torch.float64)
    label = torch.tensor([0])
    x_swapped = x[:, [2, 1, 0]] * torch.tensor([1.0, 1.0, 0.6])
    for m, expected in ((0.1, True), (0.35, False)):
        near = head(margin("cosface", m=m), enhancement(1.0, "satisfied"), centres=W)(x_swapped, label)
        assert (near.term != 0) == expected


@each_margin_and_term
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bf16"])
def test_finite_where_the_target_cosine_is_one_or_minus_one(block, term, autocast):
    W = torch.randn(4, 8, generator=generator(5))
    W[3] = -W[2]
    x = torch.cat([W, -W, torch.nn.functional.normalize(W), torch.zeros(1, 8)])
    if autocast:
        x = x.bfloat16()
        W = W.bfloat16().float()
    probe, labels = x.requires_grad_(), torch.tensor([0, 1, 2, 3] * 3 + [0])
    real = head(block, term, centres=W, dtype=torch.float32)
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            out = real(probe, labels, step=3)
        out.loss.backward()
        values = [out.loss, out.target_angle, out.pull, *([] if out.posterior is None else [out.posterior])]
        assert all(value.dtype == torch.float32 for value in values)
        for value in (*values, probe.grad, real.centres.grad):
            assert torch.isfinite(value).all()


@pytest.mark.parametrize("term", terms, ids=term_name)
def test_autocast_changes_nothing(term):
    """Angles and p are float32 inside autocast: the same bits as outside."""
    x, W, labels = batch()
    x, found = x.float(), []
    for enabled in (False, True):
        real, probe = head(margin("arcface"), term, centres=W.float(), dtype=torch.float32), x.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            out = real(probe, labels)
        out.loss.backward()
        found.append((out.loss, probe.grad, real.centres.grad))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@each_margin_and_term
def test_with_a_single_class_p_is_one(block, term):
    x, W, _ = batch()
    probe = x.clone().requires_grad_()
    real = head(block, term, centres=W[:1])
    out = real(probe, torch.zeros(8, dtype=torch.int64), step=3)
    out.loss.backward()
    assert torch.isfinite(probe.grad).all()
    traits = MARGINS.get(block["name"]).traits
    if "cost" in traits:
        return  # a sum over classes still has the target's own part
    assert torch.equal(out.posterior, torch.ones(8, dtype=torch.float64))
    if "regulariser" in traits:
        return
    assert out.base == 0
    if term is None:
        assert not probe.grad.any()
    elif term["gate"]["name"] != "spectral":
        assert probe.grad.any()
        assert torch.equal(out.pull > 0, out.target_angle < pulls_up_to(block, term["profile"]["name"]))


@each_margin_and_term
def test_the_mean_of_single_samples_is_the_batch(block, term):
    """A class held once, several times, or alone in the batch: no sample's loss depends on its company."""
    x, W, labels = batch()
    if MARGINS.get(block["name"]).traits.get("draws"):
        return  # what such a margin draws for a sample depends on its place in the batch
    real = head(block, term, centres=W).eval()
    together = real(x, labels, step=3)
    alone = [real(x[i : i + 1], labels[i : i + 1], step=3).loss for i in range(8)]
    assert_close(together.loss, torch.stack(alone).mean(), rtol=1e-12, atol=1e-12)


def test_saturated_posterior_keeps_its_digits_in_float32():
    """1 − p = 1e-12 is far below float32's epsilon: the pull of the base loss is small, not rounded to 0."""
    W = torch.eye(2, 3)
    x = torch.tensor([[1.0, 0.1, 0.2]])
    out = head(margin("normface", s=32.0), centres=W, dtype=torch.float32)(x, torch.tensor([0]))
    exact = head(margin("normface", s=32.0), centres=W.double())(x.double(), torch.tensor([0]))
    assert exact.pull < 1e-9
    assert_close(out.pull.double(), exact.pull, rtol=1e-4, atol=0)


def test_a_loss_without_a_posterior_refuses_every_gate_but_uniform_by_name():
    with registered(squares):
        losses = [spec.name for spec in MARGINS if "cost" in spec.traits and "posterior" not in spec.traits]
        assert squares.name in losses
        for name in losses:
            for gate in set(GATES.names()) - {"uniform"}:
                message = f"margin '{name}' declares no posterior, so the gate must be 'uniform', found '{gate}'"
                with pytest.raises(BenchError, match=message):
                    head(margin(name), enhancement(0.5, gate))
                assert head(margin(name), enhancement(0.0, gate)).term is None
            out = head(margin(name), enhancement(0.5, "uniform"))(batch()[0], batch()[2], step=3)
            assert out.posterior is None
            assert out.term != 0


def test_shapes_that_do_not_fit_are_refused():
    real = head(margin("cosface"))
    with pytest.raises(ValueError, match=r"embeddings must be \(B, 5\) and labels \(B,\), found \(2, 4\) and \(2,\)"):
        real(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"found \(2, 5\) and \(3,\)"):
        real(torch.zeros(2, 5), torch.zeros(3, dtype=torch.int64))


def test_centres_come_from_their_generator_alone():
    """Rows of an ablation share their first centres, whatever margin and term they have."""
    one = head(margin("cosface"), seed=4)
    other = head(margin("arcface"), enhancement(1.0, "spectral"), seed=4)
    assert torch.equal(one.centres, other.centres)
    assert not torch.equal(one.centres, head(margin("cosface"), seed=5).centres)
    norms = head(margin("cosface"), classes=400, embedding=256).centres.norm(dim=1)
    assert abs(norms.mean() - 1) < 0.01

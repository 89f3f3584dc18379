"""ψ of every margin: shape over [0, π], the two gradient conventions, fall-backs, and specs that need no torch."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from loss_heads import all_angles, enhancement, head, label_of, margin, margins_and_choices
from torch.testing import assert_close

from bench.catalog import MARGINS, PROFILES
from bench.errors import BenchError, UnknownNameError
from bench.losses.angles import safe_angle, slope
from bench.losses.margin import Margin
from bench.losses.types import MarginInput, Moment

each_margin = pytest.mark.parametrize("block", margins_and_choices(), ids=label_of)


def psi_of(block, norm=30.0):
    """ψ of a sample of a stated norm, late in training but before any batch has moved a margin's state."""
    made = Margin(block).double()
    sample = torch.tensor([0.5]).double(), torch.tensor([norm]).double(), torch.tensor([0])
    values = made.values(MarginInput(*sample, made.state, Moment(10**6, 0)))
    return lambda theta: made.psi(theta, theta.cos(), values)


def conventions(name, **given):
    return [psi_of(margin(name, margin_gradient=g, **given), norm=100.0) for g in ("true", "straight_through")]


@each_margin
def test_traits_are_declared(block):
    traits = MARGINS.get(block["name"]).traits
    assert traits["logits"] in ("cosine", "inner", "norm")
    assert traits["angular"] == ("margin_gradient" in block)
    assert ("s" in block) == (traits["logits"] == "cosine") or "cost" in traits or "scale" in traits


@each_margin
@pytest.mark.parametrize("norm", [1e-4, 30.0, 1e4])
def test_psi_never_rises_and_never_exceeds_the_cosine(block, norm):
    values = psi_of(block, norm)(all_angles)
    assert torch.isfinite(values).all()
    assert (values.diff() <= 1e-12).all()
    assert (values <= all_angles.cos() + 1e-12).all()


@each_margin
def test_slope_is_that_of_its_convention(block):
    theta = torch.linspace(0.05, 3.05, 61, dtype=torch.float64)
    psi = psi_of(block)
    if block.get("margin_gradient", "straight_through") == "straight_through":
        expected = -theta.sin()
    else:
        expected = (psi(theta + 1e-6) - psi(theta - 1e-6)) / 2e-6
    assert_close(slope(psi, theta), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", [spec.name for spec in MARGINS if spec.traits["angular"]])
def test_both_conventions_have_one_value_and_two_gradients(name):
    true, straight = conventions(name)
    theta = torch.linspace(0.1, 3.0, 50, dtype=torch.float64)
    assert_close(true(theta), straight(theta), rtol=0, atol=1e-15)
    assert (slope(true, theta) - slope(straight, theta)).abs().max() > 0.1


def test_ratio_of_the_conventions_of_arcface():
    """field_notes.md §1: true/ST for m = .5."""
    true, straight = conventions("arcface")
    theta = torch.tensor([30.0, 50, 70, 90, 110, 130, 150], dtype=torch.float64).deg2rad()
    ratio = slope(true, theta) / slope(straight, theta)
    assert_close(ratio, torch.tensor([1.71, 1.28, 1.05, 0.88, 0.70, 0.47, 0.05]).double(), rtol=0, atol=0.006)


@pytest.mark.parametrize("m", [0.1, 0.5, 1.0, math.pi / 2])
def test_arcface_past_pi(m):
    edge = torch.tensor([math.pi - m - 1e-9, math.pi - m + 1e-9], dtype=torch.float64)
    before, after = psi_of(margin("arcface", m=m))(edge)
    assert before - after < 1e-8
    before, after = psi_of(margin("arcface", m=m, fallback="legacy"))(edge)
    assert_close(before.item(), -1.0, rtol=0, atol=1e-8)
    assert_close(after.item(), -math.cos(m) - m * math.sin(m), rtol=0, atol=1e-8)
    if m == 0.5:
        assert round(after.item(), 3) == -1.117
        assert round(64 * (before - after).item(), 1) == 7.5


def test_sphereface_at_whole_factors_is_the_papers():
    values = psi_of(margin("sphereface", m=4))(all_angles[:-1])
    for theta, value in zip(all_angles.tolist(), values.tolist(), strict=False):
        k = int(4 * theta / math.pi)
        assert abs(value - ((-1) ** k * math.cos(4 * theta) - 2 * k)) < 1e-12


@pytest.mark.parametrize(
    ("name", "neutral"), [("cosface", {"m": 0}), ("arcface", {"m": 0}), ("sphereface", {"m": 1.0})]
)
def test_without_a_margin_each_is_normface(name, neutral):
    x, labels = torch.randn(7, 5, generator=torch.Generator().manual_seed(1)).double(), torch.arange(7) % 6
    bare = head(margin("normface", s=20.0))(x, labels)
    other = head(margin(name, s=20.0, **neutral))(x, labels)
    assert_close(bare.loss, other.loss, rtol=1e-12, atol=1e-12)
    assert_close(bare.pull, other.pull, rtol=1e-9, atol=1e-12)


def test_plain_softmax_is_torchs_cross_entropy_of_inner_products():
    x, labels = torch.randn(7, 5, generator=torch.Generator().manual_seed(1)).double() * 3, torch.arange(7) % 6
    x.requires_grad_()
    softmax = head(margin("softmax"))
    expected = torch.nn.functional.cross_entropy(x @ softmax.centres.T, labels)
    found = softmax(x, labels).loss
    assert_close(found, expected, rtol=1e-12, atol=1e-12)
    inputs = (x, softmax.centres)
    for one, other in zip(torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs), strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_angles_are_finite_at_both_ends(dtype):
    cosine = torch.tensor([-1.001, -1.0, -0.5, 0.0, 0.5, 1.0, 1.001], dtype=dtype, requires_grad=True)
    theta = safe_angle(cosine)
    theta.sum().backward()
    assert theta.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert ((theta > 0) & (theta < math.pi)).all()
    assert torch.isfinite(cosine.grad).all()
    assert_close(theta[2:5].detach().double(), torch.tensor([2 / 3, 0.5, 1 / 3]).double() * math.pi, rtol=1e-6, atol=0)


def test_mistakes_name_the_thing_and_what_is_allowed():
    with pytest.raises(UnknownNameError, match="unknown margin 'arcfase'; did you mean 'arcface'"):
        head({"name": "arcfase"})
    with pytest.raises(BenchError, match=r"margin 'arcface': m: must be a number >= 0 and <= 1.5708, found 28.6"):
        head({"name": "arcface", "m": 28.6})
    with pytest.raises(BenchError) as found:
        head({"name": "cosface", "s": 0, "mm": 1})
    assert "margin 'cosface': s:" in str(found.value)
    assert "'mm'" in str(found.value)
    with pytest.raises(UnknownNameError, match="unknown gate 'posterier'"):
        head(margin("cosface"), {**enhancement(1.0), "gate": {"name": "posterier"}})


def test_specs_are_read_without_torch():
    code = (
        "import sys; from bench.catalog import MARGINS, GATES, PROFILES\n"
        "assert MARGINS.names() and GATES.names() and PROFILES.names()\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_part_states_its_source_and_summary():
    for spec in [*MARGINS, *PROFILES]:
        assert spec.summary
        assert spec.source

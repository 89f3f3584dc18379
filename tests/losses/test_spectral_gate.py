"""The gate with memory: against a sequential loop, in training, evaluation, and across a checkpoint."""

from __future__ import annotations

import math

import loss_twin
import pytest
import torch
from loss_heads import at_angle, enhancement, generator, head, margin
from torch.testing import assert_close

from bench.errors import BenchError

spectral = enhancement(0.5, "spectral", "angle")


def subject(classes=5, embedding=6, seed=0, dtype=torch.float64):
    return head(margin("cosface", s=16.0), spectral, classes=classes, embedding=embedding, seed=seed, dtype=dtype)


def batch(real, size, seed):
    x = torch.randn(size, real.centres.shape[1], generator=generator(seed), dtype=real.centres.dtype)
    return x, torch.randint(0, len(real.centres), (size,), generator=generator(seed + 1))


def lists(real):
    return {name: buffer.tolist() for name, buffer in real.term.state.items()}


def test_first_state_is_a_unit_tangent_and_the_isotropic_share():
    real = subject()
    direction, share = real.term.state["direction"], real.term.state["share"]
    assert_close(direction.norm(dim=1), torch.ones(5, dtype=torch.float64), rtol=0, atol=1e-6)
    assert (direction * torch.nn.functional.normalize(real.centres)).sum(1).abs().max() < 1e-6
    assert_close(share, torch.full((5,), 1 / 5, dtype=torch.float64), rtol=1e-6, atol=0)
    assert not torch.equal(direction, subject(seed=9).term.state["direction"])


@pytest.mark.parametrize("counted", [True, False], ids=["max_repeat known", "max_repeat counted"])
def test_updates_follow_the_sequential_loop(counted):
    """Ten batches with repeats, and centres that move in between."""
    real = subject()
    for step in range(10):
        x, labels = batch(real, 17, seed=10 * step)
        if step == 4:
            x[3] = real.centres[labels[3]] * 2
        expected = loss_twin.spectral_steps(lists(real), x.tolist(), real.centres.tolist(), labels.tolist())
        out = real(x, labels, max_repeat=int(labels.bincount().max()) if counted else None)
        for name, buffer in real.term.state.items():
            assert_close(buffer, torch.tensor(expected[name], dtype=torch.float64), rtol=1e-10, atol=1e-12)
        out.loss.backward()
        with torch.no_grad():
            real.centres -= 0.5 * real.centres.grad
            real.centres.grad = None


def test_a_larger_max_repeat_changes_nothing():
    one, other = subject(), subject()
    x, labels = batch(one, 9, seed=2)
    one(x, labels, max_repeat=9)
    other(x, labels)
    assert all(torch.equal(a, b) for a, b in zip(one.term.state.values(), other.term.state.values(), strict=True))


def test_the_gate_uses_the_values_before_the_update():
    real = subject()
    real.term.state["share"].fill_(0.7)
    frozen = subject()
    frozen.load_state_dict(real.state_dict())
    x, labels = batch(real, 12, seed=5)
    assert torch.equal(real(x, labels).loss, frozen.eval()(x, labels).loss)
    assert not torch.equal(real(x, labels).loss, frozen(x, labels).loss)


def test_evaluation_updates_nothing():
    real = subject().eval()
    before = {name: value.clone() for name, value in real.state_dict().items()}
    real(*batch(real, 12, seed=5))
    assert all(torch.equal(value, before[name]) for name, value in real.state_dict().items())


def test_classes_outside_the_batch_keep_their_state():
    real = subject()
    before = {name: value.clone() for name, value in real.term.state.items()}
    x, _ = batch(real, 4, seed=5)
    real(x, torch.tensor([1, 3, 1, 1]))
    for name, value in real.term.state.items():
        changed = (value != before[name]).reshape(5, -1).any(1)
        assert changed.tolist() == [False, True, False, True, False]


def test_state_survives_a_checkpoint():
    """Saved half-way and loaded into a head of another seed, training goes on with the same bits."""
    real = subject(dtype=torch.float32)
    for step in range(3):
        real(*batch(real, 12, seed=step))
    assert set(real.state_dict()) == {"centres", "term.direction", "term.share"}
    resumed = subject(seed=7, dtype=torch.float32)
    resumed.load_state_dict(real.state_dict())
    for step in range(3, 6):
        assert torch.equal(real(*batch(real, 12, seed=step)).loss, resumed(*batch(real, 12, seed=step)).loss)
    assert all(
        torch.equal(a, b) for a, b in zip(real.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


def test_it_finds_the_axis_along_which_a_class_spreads():
    """Residuals along one tangent, either way: the direction turns to it and the gate opens there, not across it."""
    real = subject(classes=2, embedding=6)
    centre, axis = torch.eye(6, dtype=torch.float64)[:2]
    across = torch.eye(6, dtype=torch.float64)[2]
    with torch.no_grad():
        real.centres[0] = centre
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(8)
    x = math.cos(0.6) * centre + math.sin(0.6) * sign[:, None] * axis
    for _ in range(40):
        real(x, torch.zeros(16, dtype=torch.int64))
    assert abs(real.term.state["direction"][0] @ axis) > 0.999
    assert real.term.state["share"][0] > 0.99
    probes = math.cos(0.6) * centre + math.sin(0.6) * torch.stack([axis, across])
    real.eval()
    enhanced = real(probes, torch.zeros(2, dtype=torch.int64)).pull
    base = head(margin("cosface", s=16.0), centres=real.centres.detach())(
        probes, torch.zeros(2, dtype=torch.int64)
    ).pull
    assert enhanced[0] - base[0] > 0.98 * 0.5 * 16
    assert_close(enhanced[1], base[1], rtol=1e-6, atol=1e-6)


def test_an_isotropic_class_opens_the_gate_hardly():
    real = subject(classes=1, embedding=12)
    x = at_angle(real.centres[0].detach(), torch.full((3000,), 0.5, dtype=torch.float64), seed=8)
    real(x, torch.zeros(3000, dtype=torch.int64))
    assert real.term.state["share"][0] < 0.3


def test_too_few_dimensions_are_refused():
    with pytest.raises(BenchError, match="gate 'spectral' needs embeddings of 3 or more dimensions, found 2"):
        subject(embedding=2)

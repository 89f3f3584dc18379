"""Every margin that remembers: its buffers over several batches, in evaluation, and through a checkpoint."""

from __future__ import annotations

import io

import loss_twin
import pytest
import torch
from loss_heads import generator, head, label_of, margins_and_choices
from torch.testing import assert_close

W = torch.randn(6, 5, generator=generator(1), dtype=torch.float64)
labels = torch.tensor([0, 1, 1, 4, 0, 1, 3, 3])
remembering = [block for block in margins_and_choices() if dict(head(block).margin.named_buffers())]
each_margin = pytest.mark.parametrize("block", remembering, ids=label_of)


def batch(step):
    """Embeddings whose norms differ within and between batches."""
    draw = torch.randn(8, 5, generator=generator(step), dtype=torch.float64)
    return draw * torch.linspace(1, 20 + 10 * step, 8, dtype=torch.float64)[:, None]


def buffers(real):
    return {name: value.clone() for name, value in real.margin.named_buffers()}


@each_margin
def test_the_twin_follows_over_several_batches(block):
    real, state = head(block, centres=W), None
    state = {name: value.tolist() for name, value in real.margin.state.items()}
    for step in range(4):
        x = batch(step)
        twin = loss_twin.Twin(block, None, x.tolist(), W.tolist(), labels.tolist(), margin_state=state)
        assert_close(real(x, labels, step=step).loss.item(), twin.value(x.tolist(), W.tolist()), rtol=1e-11, atol=0)
        assert buffers(real).keys() == twin.point.after.keys()
        for name, value in buffers(real).items():
            assert_close(value.item(), twin.point.after[name], rtol=1e-11, atol=0)
            assert (value.item() != state[name]) == block.get("dynamic", True)  # a fixed scale stays
        state = {**state, **twin.point.after}


@each_margin
def test_nothing_moves_in_evaluation(block):
    real = head(block, centres=W)
    real(batch(0), labels, step=0)
    before = buffers(real)
    real.eval()
    losses = [real(batch(1), labels, step=1).loss for _ in range(2)]
    assert torch.equal(*losses)
    assert all(torch.equal(value, before[name]) for name, value in buffers(real).items())


@each_margin
def test_a_checkpoint_resumes_to_the_bit(block):
    real = head(block, centres=W)
    real(batch(0), labels, step=0)
    file = io.BytesIO()
    torch.save(real.state_dict(), file)
    file.seek(0)
    resumed = head(block, seed=9)
    resumed.load_state_dict(torch.load(file))
    for step in (1, 2):
        one, other = (which(batch(step), labels, step=step).loss for which in (real, resumed))
        assert torch.equal(one, other)


@each_margin
def test_the_gradient_of_a_batch_is_its_own_though_another_batch_came_since(block):
    found = []
    for later in (False, True):
        real, probe = head(block, centres=W), batch(0).requires_grad_()
        loss = real(probe, labels, step=0).loss
        if later:
            real(batch(3), labels, step=1)
        loss.backward()
        found.append(probe.grad)
    assert torch.equal(*found)


@each_margin
def test_a_state_of_float32_follows_embeddings_of_float64(block):
    real = head(block, centres=W, dtype=torch.float32)
    out = real(batch(0), labels, step=0)
    assert torch.isfinite(out.loss)
    assert all(value.dtype == torch.float32 for value in buffers(real).values())

"""Sparse updates: only the rows of a step change, exactly as dense training with the others frozen by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from bench.losses.head import MarginHead
from bench.losses.sampling import step_classes
from bench.losses.types import Moment
from bench.training.checkpoint import (
    load_checkpoint,
    load_optimiser,
    optimiser_tensors,
    prefixed,
    save_checkpoint,
    without_prefix,
)  # fmt: skip
from bench.training.optimise import make_optimiser
from bench.training.rows import train_rows

classes, embedding, share, seed = 20, 6, 0.4, 11
sgd = {"name": "sgd", "lr": 0.3, "momentum": 0.9, "nesterov": False, "weight_decay": 0.02}
optimisers = [
    sgd, {**sgd, "nesterov": True}, {**sgd, "momentum": 0.0}, {**sgd, "weight_decay": 0.0},
    {"name": "adamw", "lr": 0.05, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1},
]  # fmt: skip
each_optimiser = pytest.mark.parametrize("options", optimisers, ids=lambda o: "-".join(map(str, o.values())))
normface = {"name": "normface", "s": 16.0}


def generator(number):
    return torch.Generator().manual_seed(number)


def sampled_head(**more):
    more = {"share": share} | more
    made = MarginHead(normface, None, classes, embedding, generator=generator(0), stream=generator(seed), **more)
    return made.double()


def prepared(options, **more):
    head = sampled_head(**more)
    optimiser = make_optimiser({"optimiser": options}, head.trainable())
    train_rows(optimiser, head)
    return head, optimiser


def batch(step):
    x = torch.randn(5, embedding, generator=generator(50 + step), dtype=torch.float64)
    return x, torch.randint(classes, (5,), generator=generator(90 + step))


def train(head, optimiser, steps):
    for step in steps:
        loss = head(*batch(step), step=step).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def of_centres(optimiser):
    """What an optimiser's state holds for each entry of each centre, by name."""
    return {
        name: value.clone()
        for state in optimiser.state.values()
        for name, value in state.items()
        if isinstance(value, torch.Tensor) and value.ndim == 2
    }


def frozen_by_hand(options, steps):
    """Dense training on the same classes: all rows get a gradient, and the others are put back after each step."""
    centres = torch.nn.Parameter(sampled_head().centres.detach().clone())
    optimiser = make_optimiser({"optimiser": options}, [centres])
    for step in steps:
        x, labels = batch(step)
        rows = step_classes(labels, classes, share, Moment(step, seed).generator("partial fc"))
        logits = 16.0 * F.normalize(x) @ F.normalize(centres[rows]).T
        loss = F.cross_entropy(logits, torch.tensor([rows.tolist().index(y) for y in labels.tolist()]))
        optimiser.zero_grad()
        loss.backward()
        before, state = centres.detach().clone(), of_centres(optimiser)
        optimiser.step()
        others = torch.ones(classes, dtype=torch.bool)
        others[rows] = False
        with torch.no_grad():
            centres[others] = before[others]
            for name, value in optimiser.state[centres].items():
                if isinstance(value, torch.Tensor) and value.ndim == 2:
                    value[others] = state[name][others] if name in state else 0.0
    return centres.detach(), of_centres(optimiser), optimiser


@each_optimiser
def test_sampled_rows_train_as_dense_ones_with_the_others_frozen(options):
    head, optimiser = prepared(options)
    train(head, optimiser, range(12))
    centres, state, dense = frozen_by_hand(options, range(12))
    assert_close(head.centres.detach(), centres, rtol=1e-11, atol=1e-13)
    found = of_centres(optimiser)
    assert set(found) == set(state)
    for name, value in found.items():
        assert_close(value, state[name], rtol=1e-11, atol=1e-13)
    for ours, theirs in zip(optimiser.state.values(), dense.state.values(), strict=True):
        assert ours.get("step") == theirs.get("step")


@each_optimiser
def test_rows_that_are_not_sampled_keep_every_bit(options):
    head, optimiser = prepared(options)
    train(head, optimiser, range(3))
    for step in range(3, 8):
        weights, state = head.centres.detach().clone(), of_centres(optimiser)
        train(head, optimiser, [step])
        others = torch.ones(classes, dtype=torch.bool)
        others[head.partial.rows] = False
        assert torch.equal(head.centres[others], weights[others])
        assert (head.centres != weights).any(dim=1)[head.partial.rows].all()
        for name, value in of_centres(optimiser).items():
            assert torch.equal(value[others], state[name][others])


@each_optimiser
def test_a_share_that_leaves_no_class_out_trains_as_the_full_classifier(options):
    """From the first step on, to the bit: rows that start at 0 are rows that torch has not seen."""
    (whole, dense), (other, sparse) = prepared(options, share=1.0), prepared(options, share=0.99)
    for step in range(4):
        train(whole, dense, [step])
        train(other, sparse, [step])
        assert torch.equal(whole.centres, other.centres)
        for name, value in of_centres(dense).items():
            assert torch.equal(value, of_centres(sparse)[name])


@each_optimiser
def test_a_checkpoint_holds_all_rows(options, tmp_path):
    head, optimiser = prepared(options)
    train(head, optimiser, range(4))
    kept = {**prefixed("head", head.state_dict()), **prefixed("optimiser", optimiser_tensors(optimiser))}
    save_checkpoint(tmp_path / "c", kept, {})
    for name, value in of_centres(optimiser).items():
        assert value.shape == head.centres.shape
        assert any(key.endswith(name) and torch.equal(saved, value) for key, saved in kept.items())
    again, other = prepared(options)
    found, _ = load_checkpoint(tmp_path / "c", pytest.fail)
    again.load_state_dict(without_prefix("head", found))
    load_optimiser(other, without_prefix("optimiser", found))
    train(head, optimiser, range(4, 8))
    train(again, other, range(4, 8))
    assert torch.equal(head.centres, again.centres)
    for name, value in of_centres(optimiser).items():
        assert torch.equal(value, of_centres(other)[name])


def test_clipping_sees_the_sampled_rows():
    head, optimiser = prepared(sgd)
    head(*batch(0), step=0).loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(head.trainable(), 1e-3)
    assert norm > 1e-3
    assert_close(head.partial.active.grad.norm().item(), 1e-3, rtol=1e-3, atol=0)
    before = head.centres.detach().clone()
    optimiser.param_groups[0]["weight_decay"] = 0.0
    optimiser.step()
    assert_close((head.centres - before).norm().item(), 0.3e-3, rtol=1e-3, atol=0)


def test_a_step_without_a_gradient_changes_nothing():
    head, optimiser = prepared(sgd)
    train(head, optimiser, range(2))
    weights, state = head.centres.detach().clone(), of_centres(optimiser)
    head(*batch(2), step=2)
    optimiser.step()
    assert torch.equal(head.centres, weights)
    assert torch.equal(of_centres(optimiser)["momentum_buffer"], state["momentum_buffer"])


def test_an_optimiser_of_other_parameters_is_refused():
    head = sampled_head()
    stranger = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    with pytest.raises(ValueError, match=r"make it with head\.trainable"):
        train_rows(stranger, head)
    train_rows(stranger, sampled_head(share=1.0))

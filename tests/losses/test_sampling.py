"""Partial FC: which classes a step has, and that its loss is the full loss of a classifier with these classes alone."""

from __future__ import annotations

import pytest
import torch
from allocations import Allocations
from loss_heads import enhancement, generator, head, label_of, margin, margins_and_choices
from torch import nn
from torch.testing import assert_close

from bench.losses.sampling import StepCentres, step_classes
from bench.losses.term import AddedTerm

classes, embedding = 12, 5
labels = torch.tensor([7, 0, 7, 3, 11])
each_margin = pytest.mark.parametrize("block", margins_and_choices(), ids=label_of)


def batch():
    centres = torch.randn(classes, embedding, generator=generator(3), dtype=torch.float64)
    return torch.randn(len(labels), embedding, generator=generator(4), dtype=torch.float64), centres


def run(real, x, labels, step=7):
    """The output and the gradient of x, after backward."""
    probe = x.clone().requires_grad_()
    out = real(probe, labels, step=step)
    out.loss.backward()
    return out, probe.grad


@pytest.mark.parametrize(
    ("number", "share", "size", "count"),
    [(100, 0.1, 4, 10), (100, 0.101, 4, 11), (100, 0.1, 40, 40), (6, 0.5, 40, 6), (1, 0.5, 3, 1), (100, 0.999, 4, 100)],
)
def test_a_step_has_the_classes_of_its_batch_and_as_many_as_its_share(number, share, size, count):
    for step in range(20):
        drawn = torch.randint(number, (size,), generator=generator(100 + step))
        rows = step_classes(drawn, number, share, generator(step))
        assert rows.tolist() == sorted(set(rows.tolist()) | set(drawn.tolist()))
        assert len(rows) == count
        assert rows.min() >= 0
        assert rows.max() < number


def test_the_classes_follow_from_the_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, again, other = (step_classes(labels, 1000, 0.1, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_all_other_classes_are_equally_likely():
    """12 of 40 classes, 4 of them fixed: each other one with chance 8/36; 3,000 draws spread by .0076."""
    fixed, counts = torch.tensor([0, 8, 17, 39, 8]), torch.zeros(40)
    for seed in range(3000):
        counts[step_classes(fixed, 40, 0.3, generator(seed))] += 1
    assert (counts[fixed] == 3000).all()
    rest = torch.ones(40, dtype=torch.bool)
    rest[fixed] = False
    assert ((counts[rest] / 3000 - 8 / 36).abs() < 4 * 0.0076).all()


def test_labels_of_other_processes_bring_no_class():
    """A label of −1 neither adds a class nor changes which of the others are drawn."""
    for seed in range(10):
        some, all_ = (step_classes(torch.tensor(own), 40, 0.25, generator(seed)) for own in ([5, -1, -1], [5, 5, 5]))
        assert torch.equal(some, all_)
        assert len(some) == 10
    _, centres = batch()
    step = StepCentres(centres, 0.5)
    rows = step.take(centres, torch.tensor([-1, 7, 3]), generator(0))
    assert rows[0] == -1
    assert step.rows[rows[1:]].tolist() == [7, 3]


@each_margin
def test_share_one_is_the_full_classifier_bit_for_bit(block):
    x, centres = batch()
    whole, other = (head(block, enhancement(0.3, "uniform"), centres=centres, **more) for more in ({}, {"share": 1.0}))
    assert other.partial is None
    assert [name for name, _ in other.named_parameters()] == [name for name, _ in whole.named_parameters()]
    (out, to_x), (same, to_same_x) = run(whole, x, labels), run(other, x, labels)
    assert torch.equal(out.loss, same.loss)
    assert torch.equal(to_x, to_same_x)
    assert torch.equal(whole.centres.grad, other.centres.grad)


@each_margin
def test_a_share_that_leaves_no_class_out_is_the_full_classifier_bit_for_bit(block):
    x, centres = batch()
    whole, other = (head(block, enhancement(0.3, "uniform"), centres=centres, share=share) for share in (1.0, 0.99))
    (out, to_x), (same, to_same_x) = run(whole, x, labels), run(other, x, labels)
    assert torch.equal(out.loss, same.loss)
    assert torch.equal(to_x, to_same_x)
    assert torch.equal(whole.centres.grad, other.partial.active.grad)


@each_margin
def test_the_loss_is_that_of_a_classifier_with_the_sampled_classes_alone(block):
    x, centres = batch()
    sampled = head(block, enhancement(0.3, "uniform"), centres=centres, share=0.6)
    initial = {name: value.clone() for name, value in sampled.margin.state_dict().items()}
    out, to_x = run(sampled, x, labels)
    rows = sampled.partial.rows
    assert len(rows) == 8
    alone = head(block, enhancement(0.3, "uniform"), centres=sampled.centres.detach()[rows])
    alone.margin.load_state_dict(initial)
    expected, to_expected_x = run(alone, x, torch.searchsorted(rows, labels))
    assert torch.equal(out.loss, expected.loss)
    assert torch.equal(out.pull, expected.pull)
    assert torch.equal(to_x, to_expected_x)
    assert torch.equal(sampled.partial.active.grad, alone.centres.grad)
    assert sampled.centres.grad is None


def test_each_step_has_other_classes_and_the_same_step_the_same():
    x, centres = batch()
    first, other, again = (head(margin("arcface"), centres=centres, share=0.6) for _ in range(3))
    losses = [run(real, x, labels, step=step)[0].loss for real, step in ((first, 1), (other, 2), (again, 1))]
    assert not torch.equal(first.partial.rows, other.partial.rows)
    assert torch.equal(first.partial.rows, again.partial.rows)
    assert torch.equal(losses[0], losses[2])


def test_in_evaluation_all_classes_count_and_no_step_is_needed():
    x, centres = batch()
    sampled, whole = (head(margin("arcface"), centres=centres, share=share).eval() for share in (0.5, 1.0))
    assert torch.equal(sampled(x, labels).loss, whole(x, labels).loss)
    with pytest.raises(ValueError, match="call the head with step="):
        sampled.train()(x, labels)


def test_state_follows_classes_and_not_rows():
    """The spectral gate's axes change for the labels of the batch, whatever rows they have among the sampled."""
    x, centres = batch()
    real = head(margin("arcface"), enhancement(0.5, "spectral"), centres=centres, share=0.5)
    before = real.term.state["direction"].clone()
    real(x, labels, step=3)
    moved = (real.term.state["direction"] != before).any(dim=1)
    assert moved.nonzero().flatten().tolist() == sorted(set(labels.tolist()))


class Spy(AddedTerm):
    """A term that keeps what it is shown."""

    def __init__(self):
        nn.Module.__init__(self)
        self.name = "spy"

    def forward(self, batch):
        self.seen = batch
        return batch.centres.sum()


def test_terms_see_the_labels_the_rows_and_the_centres_of_the_step():
    x, centres = batch()
    real, plain = (head(margin("arcface"), centres=centres, share=0.6) for _ in range(2))
    real.terms.append(Spy())
    run(real, x, labels)
    run(plain, x, labels)
    seen = real.terms[0].seen
    assert torch.equal(seen.labels, labels)
    assert torch.equal(seen.centres, centres[real.partial.rows])
    assert torch.equal(seen.centres[seen.rows], centres[labels])
    assert_close(real.partial.active.grad, plain.partial.active.grad + 1, rtol=1e-12, atol=1e-12)


def test_margins_see_the_labels_of_all_classes():
    x, centres = batch()
    real, seen = head(margin("arcface"), centres=centres, share=0.6), []
    values = real.margin.values
    real.margin.values = lambda given: [seen.append(given.labels), values(given)][1]
    real(x, labels, step=0)
    assert all(torch.equal(found, labels) for found in seen)


def test_the_state_dict_is_that_of_the_full_classifier():
    _, centres = batch()
    sampled, whole = (
        head(margin("arcface"), enhancement(0.5, "spectral"), centres=centres + k, share=share)
        for k, share in ((0, 0.5), (1, 1.0))
    )
    sampled(torch.ones(5, embedding), labels, step=0)
    assert list(sampled.state_dict()) == list(whole.state_dict())
    whole.load_state_dict(sampled.state_dict())
    assert torch.equal(whole.centres, centres)
    sampled.load_state_dict(head(margin("arcface"), enhancement(0.5, "spectral"), centres=centres + 2).state_dict())
    assert torch.equal(sampled.centres, centres + 2)


def test_what_is_trained_are_the_steps_centres_and_not_all():
    real = head(margin("arcface"), classes=classes, share=0.5)
    assert [id(value) for value in real.trainable()] == [id(real.partial.active)]
    whole = head(margin("arcface"), classes=classes)
    assert [id(value) for value in whole.trainable()] == [id(value) for value in whole.parameters()]


def test_gradients_of_two_batches_are_not_mixed():
    """Their rows differ, so a sum would be wrong: said, not computed."""
    x, centres = batch()
    real = head(margin("arcface"), centres=centres, share=0.6)
    run(real, x, labels, step=0)
    with pytest.raises(RuntimeError, match="the gradient of an earlier batch"):
        real(x, labels, step=1)
    real.partial.active.grad = None
    stale = real(x, labels, step=1).loss
    real(x, labels, step=2)
    with pytest.raises(RuntimeError, match="inplace operation"):
        stale.backward()


def test_batches_of_different_sizes_may_follow_each_other():
    x, centres = batch()
    real = head(margin("arcface"), centres=centres, share=0.1)
    for size, count in ((5, 5), (1, 2), (4, 4)):
        run(real, x[:size], labels[:size], step=size)
        assert real.partial.active.grad.shape == (count, embedding)
        real.partial.active.grad = None


@pytest.mark.parametrize("block", [None, 50])
@pytest.mark.parametrize("name", ["arcface", "softmax", "curricularface"])
def test_nothing_as_large_as_all_centres_is_made(name, block):
    """2,000 classes of 16: the largest is the order in which the classes are drawn, one number a class."""
    real = head(margin(name), classes=2000, embedding=16, share=0.1, block=block, dtype=torch.float32)
    x = torch.randn(8, 16, generator=generator(0)).requires_grad_()
    with Allocations() as made:
        real(x, torch.arange(8), step=0).loss.backward()
    assert max(made.numbers) == 200 * 16
    assert made.numbers.count(200 * 16) > 0

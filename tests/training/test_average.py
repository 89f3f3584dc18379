"""The moving average of a backbone: followed step by step, judged and kept in place of the last weights."""

import copy

import pytest
import test_loop
import torch
from test_loop import bits, changed, training
from torch import nn

from bench.training.average import MovingAverage

images = test_loop.images  # the fixture


def network(value):
    """A weight and a running mean of one number, a count."""
    made = nn.BatchNorm1d(1)
    with torch.no_grad():
        made.weight.fill_(value)
    made.running_mean.fill_(10 * value)
    made.num_batches_tracked.fill_(int(value))
    return made


def test_early_steps_count_more_until_the_decay_is_reached():
    average, expected = MovingAverage(network(1.0), 0.5), 1.0
    for step, (value, decay) in enumerate(zip([3.0, 7.0, 2.0, 5.0, 9.0, 4.0, 8.0, 1.0, 6.0, 3.0], DECAYS, strict=True)):
        average.follow(network(value), step)
        expected = decay * expected + (1 - decay) * value
        assert average.backbone.weight.item() == pytest.approx(expected, rel=1e-6)
        assert average.backbone.running_mean.item() == pytest.approx(10 * expected, rel=1e-6)
        assert average.backbone.num_batches_tracked == int(value)


DECAYS = [1 / 10, 2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 0.5, 0.5]


def test_it_starts_as_the_network_and_shares_nothing_with_it():
    first = network(2.0)
    average = MovingAverage(first, 0.9)
    with torch.no_grad():
        first.weight.fill_(5.0)
    assert average.backbone.weight.item() == 2.0
    assert first.training
    assert not average.backbone.training
    assert not average.backbone.weight.requires_grad


def test_what_does_not_move_keeps_its_bits():
    """Constant buffers, and weights that nothing trains, such as those of the neck's last normalisation."""
    still = network(0.1)
    average = MovingAverage(still, 0.999)
    for step in range(50):
        average.follow(still, step)
    assert torch.equal(average.backbone.weight, still.weight)


def test_the_average_of_a_training_is_that_of_its_steps_and_leaves_the_training_as_it_is(images, tmp_path):
    seen = []
    begun = training(images, tmp_path / "a", changed(ema=0.6), stop=lambda: seen.append(weights(begun.backbone)))
    expected = {name: value.double() for name, value in weights(begun.backbone).items()}
    kept = weights(begun.run().backbone)
    assert len(seen) == 12
    for step, now in enumerate(seen):
        decay = min(0.6, (1 + step) / (10 + step))
        expected = {name: decay * value + (1 - decay) * now[name].double() for name, value in expected.items()}
    for name, value in kept.items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-7)
    plain = training(images, tmp_path / "b")
    plain.run()
    assert all(torch.equal(value, seen[-1][name]) for name, value in weights(plain.backbone).items())
    assert any(not torch.equal(value, seen[-1][name]) for name, value in kept.items())


def weights(backbone):
    return {name: value.detach().clone() for name, value in backbone.named_parameters()}


def test_the_average_is_what_is_validated_and_selected(images, tmp_path):
    judged, scores = [], iter([0.5, 0.9, 0.7])

    def validate(backbone):
        judged.append(copy.deepcopy(backbone.state_dict()))
        return {"accuracy": next(scores)}

    config = changed(ema=0.9, select="validation")
    trained = training(images, tmp_path / "a", config, validate=validate).run()
    assert trained.selected_epoch == 2
    assert same(trained.backbone.state_dict(), judged[1])
    assert not same(judged[1], judged[2])
    last = training(images, tmp_path / "b", changed(ema=0.9)).run()
    assert same(last.backbone.state_dict(), judged[2])
    assert bits(last) != bits(training(images, tmp_path / "c").run())


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())

"""float16: small gradients survive, steps that overflow are skipped and counted, and what never recovers fails."""

import math

import pytest
import test_loop
import torch
from test_loop import CONFIG, bits, changed, training
from torch import nn

from bench.errors import NonFiniteLossError
from bench.training.scaling import MOST_SKIPS, LossScale

images = test_loop.images  # the fixture
CPU = torch.device("cpu")
ADAMW = {"name": "adamw", "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.05}


def half(**recipe):
    return changed(precision="float16", **recipe)


def with_scale(started, scale):
    """A training that goes on at another loss scale."""
    started.scale.load({**started.scale.state(), "scale": float(scale)})
    return started


def epochs_of(events):
    return [event for event in events if event["kind"] == "epoch"]


def test_it_trains_to_finite_weights_that_no_other_precision_gives(images, tmp_path):
    events = []
    trained = with_scale(training(images, tmp_path / "half", half(), tell=events.append), 2.0**10).run()
    assert all(torch.isfinite(weight).all() for weight in trained.backbone.state_dict().values())
    others = {bits(training(images, tmp_path / p, changed(precision=p)).run()) for p in ("float32", "bfloat16")}
    assert bits(trained) not in others
    assert [event["skipped_steps"] for event in epochs_of(events)] == [0, 0, 0]


def test_other_precisions_record_no_skipped_steps_and_have_no_scale(images, tmp_path):
    events = []
    begun = training(images, tmp_path, changed(precision="bfloat16", epochs=1, warmup_epochs=0.0), tell=events.append)
    begun.run()
    assert "skipped_steps" not in epochs_of(events)[0]
    assert begun.scale.state() == {}


def test_a_gradient_too_small_for_float16_is_saved_by_the_scale():
    weight = nn.Parameter(torch.ones(()))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    scale = LossScale("float16", optimiser, CPU)
    tiny = 2.0**-26  # below float16's smallest number, 2^-24

    def gradient(scaled):
        weight.grad = None
        scaled((weight.half() * 1.0).float() * tiny).backward()
        return weight.grad.item()

    assert gradient(lambda loss: loss) == 0.0
    assert gradient(scale.scaled) == tiny * 65536
    scale.unscale()
    assert weight.grad.item() == tiny


@pytest.mark.parametrize("optimiser", [CONFIG["recipe"]["optimiser"], ADAMW], ids=lambda block: block["name"])
def test_a_skipped_step_moves_no_weight_and_no_memory_of_the_optimiser_and_is_counted(images, tmp_path, optimiser):
    events, seen = [], []

    def look():
        weights = [value.detach().clone() for value in begun.parameters]
        seen.append((weights, len(begun.optimiser.state), begun.scale.state()["scale"]))

    begun = training(images, tmp_path, half(optimiser=optimiser), tell=events.append, stop=look)
    first = [value.detach().clone() for value in begun.parameters]
    with_scale(begun, 2.0**18).run()
    skipped = [event["skipped_steps"] for event in epochs_of(events)]
    count = sum(skipped)
    assert 4 < count < 12
    assert skipped[0] == 4
    for step, (weights, remembered, scale) in enumerate(seen[:count]):
        assert all(torch.equal(value, start) for value, start in zip(weights, first, strict=True))
        assert remembered == 0
        assert scale == 2.0 ** (17 - step)
    assert seen[count][1] > 0
    assert any(not torch.equal(value, start) for value, start in zip(seen[count][0], first, strict=True))


def test_after_a_skipped_step_partial_fc_goes_on(images, tmp_path):
    config = {**half(batch=2, epochs=1), "classifier": {"share": 0.5, "block": None}}
    events = []
    begun = with_scale(training(images, tmp_path, config, tell=events.append), 2.0**30)
    before = begun.head.centres.clone()
    begun.run()
    assert 0 < epochs_of(events)[0]["skipped_steps"] < 16
    assert not torch.equal(begun.head.centres, before)


def test_rates_and_the_average_go_on_over_skipped_steps(images, tmp_path):
    """They follow the number of the step, so that a resumed run needs to know nothing else."""
    rates, kept = [], []

    def look():
        rates.append(begun.optimiser.param_groups[0]["lr"])
        kept.append(begun.average.backbone.neck.project.weight.detach().clone())

    begun = training(images, tmp_path / "a", half(ema=0.9), stop=look)
    first = begun.average.backbone.neck.project.weight.detach().clone()
    with_scale(begun, 2.0**18).run()
    plain, usual = training(images, tmp_path / "b", half(), stop=lambda: usual.append(rate(plain))), []
    plain.run()
    assert rates == usual
    torch.testing.assert_close(kept[0], first)
    assert not torch.equal(kept[-1], first)


def rate(begun):
    return begun.optimiser.param_groups[0]["lr"]


def test_too_many_skips_in_a_row_fail_the_run_at_its_step(images, tmp_path):
    begun = with_scale(training(images, tmp_path, half(epochs=20)), 2.0**100)
    words = (
        rf"not finite in float16 at step {MOST_SKIPS}, and was not at the {MOST_SKIPS} before it; try recipe.precision"
    )
    with pytest.raises(NonFiniteLossError, match=words):
        begun.run()


def test_as_many_skips_that_are_not_in_a_row_do_not():
    weight = nn.Parameter(torch.ones(()))
    optimiser = torch.optim.SGD([weight], lr=0.0)
    scale = LossScale("float16", optimiser, CPU)
    for step in range(3 * MOST_SKIPS):
        optimiser.zero_grad()
        scale.scaled(weight * (1.0 if step % MOST_SKIPS == 0 else math.inf)).backward()
        scale.unscale()
        scale.step(step)
    assert scale.skipped == 3 * (MOST_SKIPS - 1)


def test_a_loss_that_is_not_finite_fails_whatever_the_scale(images, tmp_path):
    begun = training(images, tmp_path, half())
    with torch.no_grad():
        begun.backbone.neck.project.weight.fill_(math.nan)
    with pytest.raises(NonFiniteLossError, match=r"not finite at step 0 \(epoch 1\)"):
        begun.run()

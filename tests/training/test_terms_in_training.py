"""Runs with terms: recorded an epoch at a time, and exact on resume."""

import copy

import pytest
import test_loop
import torch
from test_loop import CONFIG, bits, training

from bench.catalog import TERMS
from bench.training.loop import StoppedError

images = test_loop.images  # the fixture


def term(name, **given):
    return {"name": name, "weight": TERMS.get(name).traits["weight"], **TERMS.get(name).defaults, **given}


def with_terms(*terms):
    return {**copy.deepcopy(CONFIG), "terms": list(terms)}


def epochs_of(config, images, folder):
    events = []
    training(images, folder, config, tell=events.append).run()
    return [event for event in events if event["kind"] == "epoch"]


def test_every_epoch_records_each_term_with_its_weight(images, tmp_path):
    names = TERMS.names()
    epochs = epochs_of(with_terms(*map(term, names)), images, tmp_path)
    assert len(epochs) == 3
    for event in epochs:
        assert list(event["terms"]) == names
        assert all(value != 0 for value in event["terms"].values())
        parts = event["base"] + event["term"] + sum(event["terms"].values())
        assert event["loss"] == pytest.approx(parts, rel=1e-5)
    assert epochs_of(with_terms(), images, tmp_path / "none")[0]["terms"] == {}


def test_a_term_of_every_other_step_is_recorded_at_its_mean_weight(images, tmp_path):
    """The learning rate is next to none, so that both runs see the same centres at all four steps of the epoch."""
    config = with_terms(term("uniformface"))
    config["recipe"] |= {"epochs": 1, "warmup_epochs": 0.0}
    config["recipe"]["optimiser"] = {**CONFIG["recipe"]["optimiser"], "lr": 1e-9}
    often = epochs_of(config, images, tmp_path / "a")[0]["terms"]["uniformface"]
    config["terms"] = [term("uniformface", every=2)]
    assert epochs_of(config, images, tmp_path / "b")[0]["terms"]["uniformface"] == pytest.approx(often, rel=1e-5)


def test_a_run_with_terms_stopped_at_any_step_and_resumed_has_the_same_bits(images, tmp_path):
    """Center loss has state; the samples and the steps left out are those that the step says."""
    config = with_terms(term("center_loss"), term("mhe", sample=2), term("regularface", every=3))
    straight = training(images, tmp_path / "a", config).run()
    assert straight.head.terms[0].state["means"].abs().sum() > 0
    for stop_after in (1, 3, 4, 6, 10):
        folder, steps = tmp_path / f"b{stop_after}", iter(range(100))
        with pytest.raises(StoppedError):
            training(images, folder, config, stop=lambda n=stop_after, s=steps: next(s) + 1 >= n).run()
        assert bits(training(images, folder, config).run()) == bits(straight)


def test_terms_leave_the_first_weights_and_the_other_draws_as_they_are(images, tmp_path):
    """Rows of an ablation share all that they can."""
    plain = training(images, tmp_path / "a", with_terms())
    other = training(images, tmp_path / "b", with_terms(term("center_loss"), term("mhe", sample=2)))
    for name, tensor in plain.head.state_dict().items():
        assert torch.equal(tensor, other.head.state_dict()[name])
    for a, b in zip(plain.backbone.state_dict().values(), other.backbone.state_dict().values(), strict=True):
        assert torch.equal(a, b)

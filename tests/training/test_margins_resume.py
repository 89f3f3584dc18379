"""Margins with a memory, or that draw or anneal: stopped at any step and resumed, a run has the same bits.

Every registered margin is here that has state, learned values, draws or values of its own; one more that does both is
registered for these tests alone.
"""

import pytest
import test_loop
import torch
from test_loop import CONFIG, bits, training

from bench.catalog import MARGINS, Option, Spec
from bench.training.loop import StoppedError

images = test_loop.images  # the fixture


def start(*, classes):
    return {"mean": torch.zeros(())}


def update(batch):
    batch.state["mean"].lerp_(batch.cosine.mean(), 0.1)


def values(batch, *, spread):
    """A margin that is drawn, grows with the mean cosine, and fades with the steps."""
    draw = torch.randn(len(batch.labels), generator=batch.moment.generator("margin")).to(batch.cosine)
    return {"m": 0.2 + batch.state["mean"] + spread * draw / (1 + batch.moment.number)}


def psi(theta, *, m):
    return theta.cos() - m


REMEMBERS_AND_DRAWS = Spec(
    "margin", "remembers_and_draws", "all at once", "a test", psi,
    (Option("s", 16.0, "scale"), Option("spread", 0.1, "of the draw")),
    {"angular": False, "logits": "cosine", "start": start, "update": update, "values": values, "draws": True},
)  # fmt: skip
MEMORY = {"start", "learned", "values", "subcentres"}
SUBJECTS = [REMEMBERS_AND_DRAWS, *(spec for spec in MARGINS if MEMORY & set(spec.traits))]


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    MARGINS.names()
    monkeypatch.setitem(MARGINS._specs, REMEMBERS_AND_DRAWS.name, REMEMBERS_AND_DRAWS)


def with_margin(spec):
    return {**CONFIG, "margin": {"name": spec.name, **spec.defaults}, "enhancement": None}


def state_of(trained):
    return {name: value.detach().clone() for name, value in trained.head.margin.state.items()}


each_subject = pytest.mark.parametrize("spec", SUBJECTS, ids=lambda spec: spec.name)


def test_curricularface_is_among_them():
    assert "curricularface" in {spec.name for spec in SUBJECTS}


@each_subject
def test_a_run_stopped_at_any_step_and_resumed_has_the_same_bits(images, tmp_path, spec):
    config = with_margin(spec)
    straight = training(images, tmp_path / "a", config).run()
    for stop_after in (1, 4, 6):  # of 12; an epoch has 4
        folder, steps = tmp_path / f"b{stop_after}", iter(range(100))
        with pytest.raises(StoppedError):
            training(images, folder, config, stop=lambda n=stop_after, s=steps: next(s) + 1 >= n).run()
        assert bits(training(images, folder, config).run()) == bits(straight)


@each_subject
def test_what_it_remembers_moves_in_training(images, tmp_path, spec):
    """Otherwise the test above would say nothing of it."""
    begun = training(images, tmp_path, with_margin(spec))
    before = state_of(begun)
    after = state_of(begun.run())
    assert not before or any(not torch.equal(value, after[name]) for name, value in before.items())


def test_a_memory_that_is_not_in_the_checkpoint_would_be_found(images, tmp_path, monkeypatch):
    config, steps = with_margin(REMEMBERS_AND_DRAWS), iter(range(100))
    straight = bits(training(images, tmp_path / "a", config).run())
    with pytest.raises(StoppedError):
        training(images, tmp_path / "b", config, stop=lambda: next(steps) >= 5).run()
    resumed = training(images, tmp_path / "b", config)
    resumed.head.margin.mean.zero_()
    assert bits(resumed.run()) != straight


def test_a_draw_follows_the_seed_of_the_run(images, tmp_path):
    one, other = (
        training(images, tmp_path / str(seed), {**with_margin(REMEMBERS_AND_DRAWS), "seed": seed}) for seed in (0, 1)
    )
    other.head.load_state_dict(one.head.state_dict())
    x, labels = torch.ones(4, 8), torch.arange(4)
    losses = [head(x, labels, step=3).loss for head in (one.head.eval(), other.head.eval(), one.head)]
    assert torch.equal(losses[0], losses[2])
    assert not torch.equal(losses[0], losses[1])

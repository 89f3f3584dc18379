"""What a margin remembers is in its buffers; what it draws or anneals follows from step and seed."""

from __future__ import annotations

import random
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from bench.catalog import MARGINS
from margin_contract.probe import STEPS, batch, fresh, same_bits, steps


def bits(state):
    return {name: value.clone() for name, value in state.items()}


def changed(before, after):
    """The names of those values that are no longer the same."""
    assert before.keys() == after.keys()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def state_goes_on_with_the_same_bits_from_a_file(block):
    """Saved after some steps and loaded into a new head of the same run, it trains on as if it never stopped."""
    real = fresh(block, dtype=torch.float32)
    steps(real)
    held = save({name: value.contiguous() for name, value in real.state_dict().items()})
    expected = steps(real, (4, 5, 60_000))
    resumed = fresh(block, dtype=torch.float32)
    for value in resumed.state_dict().values():
        value.fill_(0.5)  # all of it comes from the file
    resumed.load_state_dict(load(held))
    assert same_bits(expected, steps(resumed, (4, 5, 60_000)))


def training_changes_declared_buffers_alone(block):
    """A step leaves centres, learned values, embeddings and labels as they are; buffers change in place, if at all."""
    traits = MARGINS.get(block["name"]).traits
    real = fresh(block)
    declared = {f"margin.{name}" for name in real.margin._buffers}
    assert not declared or "start" in traits
    before, places = bits(real.state_dict()), {name: value.data_ptr() for name, value in real.named_buffers()}
    for at in STEPS:
        x, labels = batch(real, seed=at)
        kept = x.clone(), labels.clone()
        real(x, labels, step=at).loss.backward()
        assert torch.equal(x, kept[0])
        assert torch.equal(labels, kept[1])
    moved = changed(before, bits(real.state_dict()))
    assert moved <= (declared if "update" in traits else set()), f"training changed {sorted(moved)}"
    assert places == {name: value.data_ptr() for name, value in real.named_buffers()}


def evaluation_changes_nothing(block):
    """Neither with gradients nor without; and the same batch twice has the same bits."""
    real = fresh(block).eval()
    before = bits(real.state_dict())
    with torch.no_grad():
        real(*batch(real), step=0)
    assert same_bits(steps(real), steps(real))
    assert not changed(before, bits(real.state_dict()))


@contextmanager
def global_seeds(seed):
    """Torch, numpy and random seeded; afterwards they are as they were before."""
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        random.setstate(kept[2])


def global_state():
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002


def global_random_numbers_are_neither_read_nor_drawn(block):
    """Seeded otherwise, all has the same bits; and what would be drawn next is the same before and after."""
    found = []
    for seed in (1, 2):
        with global_seeds(seed):
            before = global_state()
            found.append(steps(fresh(block)))
            assert global_state() == before, "a global generator has moved"
    assert same_bits(*found), "global random numbers have been read"


def step_and_seed_decide_the_bits(block):
    """The same (seed, step) gives the same bits; a margin that draws depends on both, any other on no seed.

    One that depends on the step says so when it is not told; one that does not, does not.
    """
    draws = bool(MARGINS.get(block["name"]).traits.get("draws"))
    assert same_bits(steps(fresh(block)), steps(fresh(block)))
    one = fresh(block)
    other_stream = fresh(block, centres=one.centres.detach().clone(), seed=8)
    assert same_bits(steps(one), steps(other_stream)) != draws
    real = fresh(block).eval()
    x, labels = batch(real)
    losses = [real(x, labels, step=at).loss for at in (0, 1, 40_000)]
    follows_the_step = any(not torch.equal(losses[0], other) for other in losses[1:])
    assert follows_the_step or not draws, "a margin that draws has the same loss at every step"
    if follows_the_step:
        with pytest.raises(ValueError, match="step"):
            real(x, labels)
    else:
        try:
            assert torch.equal(real(x, labels).loss, losses[0])
        except ValueError as error:
            raise AssertionError("asks for a step on which nothing depends") from error

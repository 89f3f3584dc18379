"""Several processes train what one trains, whichever number of them goes on from a checkpoint."""

import copy
import hashlib
import itertools

import numpy as np
import pytest
import torch
import training_sets
from safetensors import safe_open
from safetensors.torch import save
from test_loop import CONFIG
from torch import nn
from torch.testing import assert_close

from bench.backbones.catalog import build
from bench.errors import BenchError
from bench.scheduling.replicas import team_for
from bench.training.environment import make_deterministic
from bench.training.loop import StoppedError, Training
from bench.training.parallel import normalised_together

CPU = torch.device("cpu")
ADAMW = {"name": "adamw", "lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.05}
COSFACE = {"name": "cosface", "s": 16.0, "m": 0.2}
CURRICULAR = {"name": "curricularface", "s": 16.0, "m": 0.3}


def config_of(images, **blocks):
    """One of a backbone without batch normalisation, of 16 steps; ``blocks`` take the place of its own."""
    config = copy.deepcopy(CONFIG)
    config["backbone"] = {"name": "small_cnn_groupnorm", "embedding": 8, "dropout": 0.0, "width": 2, "depth": 1}
    config["recipe"] |= {"epochs": 2, "batch": 12, "clip_gradient": 1.0, **blocks.pop("recipe", {})}
    config["train"] = {"digest": images.digest, "images": len(images.labels), "identities": len(images.identities)}
    return {**config, **blocks}


def cases(images):
    """A term with a posterior's gate; a margin with state; Partial FC with a gate that has state."""
    posterior = {**CONFIG["enhancement"], "gate": {"name": "posterior"}}
    return {
        "cosface with the term": config_of(images, margin=COSFACE, enhancement=posterior),
        "curricularface": config_of(
            images, margin=CURRICULAR, enhancement=None, recipe={"optimiser": ADAMW, "clip_gradient": None}
        ),
        "partial fc": config_of(
            images, margin=COSFACE, classifier={"share": 0.5, "block": 3}, recipe={"optimiser": ADAMW}
        ),
    }


names = pytest.mark.parametrize("name", ["cosface with the term", "curricularface", "partial fc"])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def images(cache):
    return training_sets.packed(cache, people=16, each=6)


def train(images, cache, checkpoint, config, processes, stop_after=None):
    """What a run of so many processes ends with, and the events of its epochs; None for a run that is stopped."""
    make_deterministic(threads=1, deterministic=True)
    events, steps = [], itertools.count(1)
    stop = (lambda: next(steps) >= stop_after) if stop_after else (lambda: False)
    with team_for(config, cache=cache, checkpoint=checkpoint, device=CPU, processes=processes) as team:
        begun = Training(
            config, images, np.arange(len(images.labels)), images.labels,
            device=CPU, checkpoint=checkpoint, tell=events.append, stop=stop, team=team,
        )  # fmt: skip
        if stop_after:
            with pytest.raises(StoppedError):
                begun.run()
            return None, events
        return begun.run(), events


@pytest.fixture(scope="module")
def straight(images, cache):
    """(case, number of processes) -> the undisturbed run, once."""
    found = {}

    def run(name, processes):
        if (name, processes) not in found:
            never = cache / f"never {len(found)}.safetensors"
            found[name, processes] = train(images, cache, never, cases(images)[name], processes)
            assert not never.exists()
        return found[name, processes]

    return run


def tensors(trained):
    return {**trained.backbone.state_dict(), **{f"head.{name}": value for name, value in trained.head_state.items()}}


def bits(trained):
    return hashlib.sha256(save({name: value.contiguous() for name, value in tensors(trained).items()})).hexdigest()


def close(one, other):
    assert tensors(one).keys() == tensors(other).keys()
    for name, value in tensors(one).items():
        assert_close(tensors(other)[name], value, rtol=1e-4, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def means(events):
    """What the epochs say of the losses and angles."""
    kept = ("loss", "base", "term", "target_angle_deg", "posterior")
    return [{name: event[name] for name in kept} for event in events if event["kind"] == "epoch"]


@names
def test_two_processes_give_the_weights_and_the_meters_of_one(straight, name):
    (one, said), (two, also) = straight(name, 1), straight(name, 2)
    close(one, two)
    assert len(means(said)) == 2
    for mine, other in zip(means(said), means(also), strict=True):
        known = [key for key in mine if mine[key] is not None]
        assert known == [key for key in other if other[key] is not None]
        assert [mine[key] for key in known] == pytest.approx([other[key] for key in known], rel=1e-4)
    assert len(two.head.centres) == 8  # of the first process; the state is whole
    assert len(two.head_state["centres"]) == 16


@names
def test_a_stopped_run_of_two_processes_goes_on_to_the_same_bits(images, cache, tmp_path, straight, name):
    config, path = cases(images)[name], tmp_path / "c.safetensors"
    train(images, cache, path, config, 2, stop_after=3)
    resumed, events = train(images, cache, path, config, 2)
    assert events[0] == {"kind": "resumed", "epoch": 1, "epochs": 2, "step": 3, "steps": 8}
    assert bits(resumed) == bits(straight(name, 2)[0])
    assert means(events) == means(straight(name, 2)[1])


def test_with_three_processes_too(images, cache, tmp_path):
    """More than two terms of a sum have an order, which has to be the same before and after."""
    config, path = cases(images)["partial fc"], tmp_path / "c.safetensors"
    whole, _ = train(images, cache, tmp_path / "never.safetensors", config, 3)
    train(images, cache, path, config, 3, stop_after=5)
    assert bits(train(images, cache, path, config, 3)[0]) == bits(whole)


@names
def test_any_number_of_processes_goes_on_where_another_stopped(images, cache, tmp_path, straight, name):
    config, path = cases(images)[name], tmp_path / "c.safetensors"
    train(images, cache, path, config, 2, stop_after=4)
    train(images, cache, path, config, 1, stop_after=6)
    train(images, cache, path, config, 3, stop_after=2)
    resumed, events = train(images, cache, path, config, 2)
    assert (events[0]["epoch"], events[0]["step"]) == (2, 4)
    close(resumed, straight(name, 2)[0])


def layout(path):
    with safe_open(path, framework="pt") as file:
        return {key: (file.get_slice(key).get_dtype(), file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def test_a_checkpoint_does_not_tell_how_many_wrote_it(images, cache, tmp_path):
    config = cases(images)["partial fc"]
    for processes in (1, 2):
        train(images, cache, tmp_path / f"{processes}.safetensors", config, processes, stop_after=2)
    assert layout(tmp_path / "1.safetensors") == layout(tmp_path / "2.safetensors")


def test_dropout_of_several_processes_repeats_and_differs_between_them(images, cache, tmp_path):
    config = config_of(images, margin=COSFACE, enhancement=None)
    config["backbone"]["dropout"] = 0.5
    one, two, again = (
        train(images, cache, tmp_path / f"{i}.safetensors", config, processes)[0]
        for i, processes in enumerate((1, 2, 2))
    )
    assert bits(two) == bits(again)
    with pytest.raises(AssertionError):
        close(one, two)


def test_batch_normalisation_over_all_processes_is_refused_on_the_cpu_and_each_its_own_is_not(images, cache, tmp_path):
    backbone = {**CONFIG["backbone"], "dropout": 0.0}
    config = config_of(images, backbone=backbone, margin=COSFACE, enhancement=None)
    with pytest.raises(BenchError, match=r"needs GPUs; on the CPU say recipe\.bn: per_replica"):
        train(images, cache, tmp_path / "a.safetensors", config, 2)
    config["recipe"] |= {"bn": "per_replica", "replicas": 2}
    whole, _ = train(images, cache, tmp_path / "b.safetensors", config, 2)
    path = tmp_path / "c.safetensors"
    train(images, cache, path, config, 2, stop_after=3)
    assert bits(train(images, cache, path, config, 2)[0]) == bits(whole)
    with pytest.raises(BenchError, match="batches of each of 2 processes, found 1"):
        train(images, cache, path, config, 1)


def test_a_batch_that_cannot_be_shared_equally_is_refused(images, cache, tmp_path):
    config = config_of(images, margin=COSFACE, enhancement=None, recipe={"batch": 9})
    with pytest.raises(BenchError, match=r"recipe\.batch 9 cannot be shared equally by 2 processes"):
        train(images, cache, tmp_path / "c.safetensors", config, 2)


@pytest.mark.parametrize("name", ["small_cnn", "timm/test_resnet"])
def test_synchronised_normalisation_keeps_names_and_activations(name):
    plain = build({"name": name, "embedding": 8}, pixels=32, generator=torch.Generator())
    before, kinds = plain.state_dict().keys(), [type(part).__name__ for part in plain.modules()]
    together = normalised_together(plain.to("meta"))
    after = [part for part in together.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert all(isinstance(part, nn.SyncBatchNorm) for part in after)
    assert len(after) == sum("BatchNorm" in kind for kind in kinds)
    assert together.state_dict().keys() == before
    assert sum("BatchNormAct" in kind for kind in kinds) == sum(hasattr(part, "act") for part in after)

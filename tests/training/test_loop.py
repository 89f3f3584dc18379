"""Training: exact on resume, the same bits for the same configuration, and a clear end when the loss is not finite."""

import copy
import hashlib
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save

from bench.data.packed import open_packed, pack
from bench.data.tensors import normalise
from bench.data.types import ImageList
from bench.errors import BenchError, NonFiniteLossError
from bench.training.checkpoint import load_checkpoint, previous, save_checkpoint
from bench.training.environment import make_deterministic
from bench.training.loop import StoppedError, Training, make_models
from bench.training.optimise import learning_rate
from bench.training.split import relabel, split_identities

CONFIG = {
    "backbone": {"name": "small_cnn", "embedding": 8, "dropout": 0.2, "width": 2, "depth": 1},
    "margin": {"name": "arcface", "s": 16.0, "m": 0.2, "margin_gradient": "true", "fallback": "monotone"},
    "enhancement": {
        "strength": 0.1,
        "gate": {"name": "spectral"},
        "profile": {"name": "matched"},
        "schedule": {"name": "constant"},
    },
    "terms": [],
    "classifier": {"share": 1.0, "block": None},
    "recipe": {
        "optimiser": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4},
        "schedule": {"name": "cosine", "final": 0.0},
        "warmup_epochs": 0.5,
        "epochs": 3,
        "batch": 8,
        "precision": "float32",
        "augmentation": [{"name": "flip", "probability": 0.5}, {"name": "shift", "pixels": 1}],
        "clip_gradient": 5.0,
        "threads": 1,
        "deterministic": True,
        "select": "last",
    },
    "pixels": 32,
    "validation": None,
    "seed": 0,
    "train": {"digest": "t" * 16, "images": 32, "identities": 4},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    from PIL import Image

    root = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(0)
    files = []
    for i in range(32):
        name = f"{i:02}.png"
        Image.fromarray(draw.integers(0, 255, (32, 32, 3), np.uint8)).save(root / name)
        files.append(name)
    labels = np.repeat(np.arange(4), 8).astype(np.int64)
    listed = ImageList(root, tuple(files), labels, tuple("abcd"))
    cache = tmp_path_factory.mktemp("cache")
    return open_packed(cache, pack(listed, pixels=32, cache=cache))


def training(images, folder, config=CONFIG, **more):
    make_deterministic(threads=1, deterministic=True)
    rows = np.arange(len(images.labels))
    return Training(
        config, images, rows, images.labels, device=more.pop("device", torch.device("cpu")),
        checkpoint=folder / "c.safetensors", tell=more.pop("tell", lambda event: None), **more,
    )  # fmt: skip


def bits(trained):
    tensors = {**trained.backbone.state_dict(), **{f"h.{k}": v for k, v in trained.head.state_dict().items()}}
    return hashlib.sha256(save({k: v.cpu().contiguous() for k, v in tensors.items()})).hexdigest()


def changed(**recipe):
    config = copy.deepcopy(CONFIG)
    config["recipe"] |= recipe
    return config


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_run_stopped_at_any_step_and_resumed_has_the_same_bits(images, tmp_path, optimiser, share):
    """With share .5 a batch of 2 leaves half of the four classes out of each step."""
    config = CONFIG if share == 1 else {**changed(batch=2, epochs=1), "classifier": {"share": share, "block": None}}
    if optimiser == "adamw":
        adamw = {"name": "adamw", "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.05}
        config = {**config, "recipe": {**config["recipe"], "optimiser": adamw}}
    straight = bits(training(images, tmp_path / "a", config).run())
    for stop_after in (1, 4, 6):
        folder = tmp_path / f"b{stop_after}"
        steps = iter(range(100))
        with pytest.raises(StoppedError):
            training(images, folder, config, stop=lambda n=stop_after, s=steps: next(s) + 1 >= n).run()
        events = []
        resumed = training(images, folder, config, tell=events.append)
        assert events[0]["kind"] == "resumed"
        assert bits(resumed.run()) == straight


def test_half_of_the_classes_a_step_teach_all_of_them(tmp_path):
    """12 people of one pattern each: almost all images are nearest to their own centre among all (chance: 1 in 12)."""
    from PIL import Image

    draw = np.random.default_rng(0)
    patterns = draw.integers(0, 255, (12, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    labels = np.repeat(np.arange(12), 8).astype(np.int64)
    for i, y in enumerate(labels):
        noisy = np.clip(patterns[y] + draw.normal(0, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / f"{i:02}.png")
    listed = ImageList(tmp_path, tuple(f"{i:02}.png" for i in range(96)), labels, tuple("abcdefghijkl"))
    images = open_packed(tmp_path, pack(listed, pixels=32, cache=tmp_path))
    config = {
        **changed(batch=6, epochs=5, augmentation=[], warmup_epochs=0.0),
        "classifier": {"share": 0.5, "block": 4},
        "margin": {"name": "normface", "s": 16.0},
    }
    config["backbone"] |= {"embedding": 16, "width": 8, "dropout": 0.0}
    trained = training(images, tmp_path, config).run()
    assert len(trained.head.partial.rows) == 6
    pixels = torch.from_numpy(images.gather(np.arange(96)))
    with torch.no_grad():
        cosines = trained.backbone.eval()(normalise(pixels)) @ torch.nn.functional.normalize(trained.head.centres).T
    assert (cosines.argmax(dim=1) == torch.from_numpy(labels)).double().mean() > 0.8


def test_the_seed_decides_the_bits(images, tmp_path):
    first = bits(training(images, tmp_path / "a").run())
    torch.manual_seed(123)
    assert bits(training(images, tmp_path / "b").run()) == first
    assert bits(training(images, tmp_path / "c", {**CONFIG, "seed": 1}).run()) != first


def test_what_compared_runs_share(images):
    backbone, head = make_models(CONFIG, classes=4)
    other = {**CONFIG, "margin": {"name": "normface", "s": 16.0}, "enhancement": None}
    same_backbone, same_head = make_models(other, classes=4)
    for a, b in zip(backbone.state_dict().values(), same_backbone.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(head.centres, same_head.centres)
    _, other_head = make_models({**CONFIG, "seed": 1}, classes=4)
    assert not torch.equal(head.centres, other_head.centres)


def test_a_loss_that_is_not_finite_ends_the_run_at_its_step(images, tmp_path):
    config = changed(clip_gradient=None)
    config["recipe"]["optimiser"] = {**CONFIG["recipe"]["optimiser"], "lr": 1e30}
    config["recipe"]["warmup_epochs"] = 0.0
    with pytest.raises(NonFiniteLossError, match=r"not finite at step \d+ \(epoch 1\)"):
        training(images, tmp_path, config).run()


def test_a_batch_larger_than_the_training_set_is_refused(images, tmp_path):
    with pytest.raises(BenchError, match="larger than the training set"):
        training(images, tmp_path, changed(batch=64))


def test_selection_by_validation_keeps_the_best_epoch_also_over_a_resume(images, tmp_path):
    scores = [0.5, 0.9, 0.7]

    def validation(start):
        left = iter(scores[start:])
        return lambda backbone: {"accuracy": next(left)}

    config = changed(select="validation")
    whole = training(images, tmp_path / "a", config, validate=validation(0)).run()
    assert whole.selected_epoch == 2
    last = training(images, tmp_path / "b", CONFIG, validate=validation(0)).run()
    assert last.selected_epoch == 3
    assert bits(whole) != bits(last)
    steps = iter(range(100))
    with pytest.raises(StoppedError):
        training(images, tmp_path / "c", config, validate=validation(0), stop=lambda: next(steps) >= 9).run()
    resumed = training(images, tmp_path / "c", config, validate=validation(2)).run()
    assert bits(resumed) == bits(whole)


def damages(content):
    """What a power cut or a bad disk leaves of a file."""
    middle = len(content) - 5
    yield b""
    yield content[:7]
    yield content[: len(content) // 2]
    yield content[:-1]
    yield content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_broken_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path):
    path, problems = tmp_path / "c.safetensors", []
    assert load_checkpoint(path, problems.append) is None
    for epoch in (1, 2):
        save_checkpoint(path, {"a": torch.full((3,), float(epoch)), "n": torch.tensor(epoch)}, {"epoch": epoch})
    sound, before = path.read_bytes(), previous(path).read_bytes()
    assert load_checkpoint(path, problems.append)[1] == {"epoch": 2}
    assert not problems
    for count, damaged in enumerate(damages(sound), start=1):
        path.write_bytes(damaged)
        previous(path).write_bytes(before)
        tensors, state = load_checkpoint(path, problems.append)
        assert state == {"epoch": 1}
        assert torch.equal(tensors["a"], torch.ones(3))
        assert not path.exists()
        assert len(problems) == count
        assert "checkpoint c.safetensors is broken" in problems[-1]
    previous(path).write_bytes(before[:-3])
    assert load_checkpoint(path, problems.append) is None
    assert {file.name for file in tmp_path.iterdir()} == {"c.safetensors.broken", "c.previous.safetensors.broken"}


def test_a_run_whose_last_checkpoint_was_damaged_resumes_from_the_one_before_to_the_same_bits(
    images, tmp_path, monkeypatch
):
    monkeypatch.setattr("bench.training.loop.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("bench.training.loop.CHECKPOINT_SHARE", 1e9)
    straight = bits(training(images, tmp_path / "a").run())
    steps = iter(range(100))
    with pytest.raises(StoppedError):
        training(images, tmp_path / "b", stop=lambda: next(steps) + 1 >= 7).run()
    path = tmp_path / "b" / "c.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    told = []
    resumed = training(images, tmp_path / "b", tell=told.append)
    assert [event["kind"] for event in told] == ["warning", "resumed"]
    assert bits(resumed.run()) == straight


def test_schedules():
    recipe = {"optimiser": {"lr": 1.0}, "warmup_epochs": 1, "epochs": 5}
    cosine = {**recipe, "schedule": {"name": "cosine", "final": 0.1}}
    assert [learning_rate(cosine, s, 4) for s in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert learning_rate(cosine, 4, 4) == 1.0
    assert math.isclose(learning_rate(cosine, 12, 4), 0.1 + 0.9 / 2)
    polynomial = {**recipe, "schedule": {"name": "polynomial", "power": 2.0}}
    assert math.isclose(learning_rate(polynomial, 12, 4), 0.25)
    step = {**recipe, "schedule": {"name": "step", "epochs": [2, 4], "factor": 0.1}}
    assert [round(learning_rate(step, s, 4), 6) for s in (7, 8, 15, 16)] == [1.0, 0.1, 0.1, 0.01]
    assert learning_rate({**recipe, "schedule": {"name": "constant"}}, 19, 4) == 1.0


def test_validation_identities_leave_the_training_set_whole():
    labels = np.repeat(np.arange(10), 3)
    rows, out = split_identities(labels, {"identities": 0.3, "seed": 0})
    assert len(set(labels[out])) == 3
    assert not set(labels[out]) & set(labels[rows])
    assert len(rows) + len(out) == 30
    assert set(relabel(labels[rows])) == set(range(7))
    with pytest.raises(BenchError, match="both parts need at least 2"):
        split_identities(labels, {"identities": 0.05, "seed": 0})


GOLDEN = [7.2067131996154785, 10.601168632507324, 6.447227954864502]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@needs_cuda
def test_the_same_bits_twice_on_a_gpu(images, tmp_path):
    gpu = torch.device("cuda")
    first = bits(training(images, tmp_path / "a", device=gpu).run())
    assert bits(training(images, tmp_path / "b", device=gpu).run()) == first


@needs_cuda
def test_bfloat16_on_a_gpu_trains_to_finite_weights(images, tmp_path):
    trained = training(images, tmp_path, changed(precision="bfloat16"), device=torch.device("cuda")).run()
    assert all(torch.isfinite(weight).all() for weight in trained.backbone.state_dict().values())


def test_bfloat16_trains_on_a_cpu_too(images, tmp_path):
    whole = bits(training(images, tmp_path / "a").run())
    half = training(images, tmp_path / "b", changed(precision="bfloat16")).run()
    assert all(torch.isfinite(weight).all() for weight in half.backbone.state_dict().values())
    assert bits(half) != whole


def test_three_golden_steps():
    """Raise SEMANTICS in scheduling/plan.py whenever a change makes these numbers differ."""
    from bench.scheduling.plan import SEMANTICS

    backbone, head = make_models(CONFIG, classes=4)
    optimiser = torch.optim.SGD([*backbone.parameters(), *head.parameters()], lr=0.05, momentum=0.9)
    pixels = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (8, 3, 32, 32)).astype(np.float32))
    labels = torch.arange(8) % 4
    losses = []
    for step in range(3):
        torch.manual_seed(step)
        output = head(backbone(pixels), labels)
        optimiser.zero_grad()
        output.loss.backward()
        optimiser.step()
        losses.append(output.loss.item())
    assert SEMANTICS == 2
    assert losses == pytest.approx(GOLDEN, rel=1e-3)

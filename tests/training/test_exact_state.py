"""Everything that a training knows is in its checkpoint: interrupted after every step, it ends with the same bits.

And nothing else is in it: neither the global generators nor what a process did before change a bit.
"""

import copy
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import test_loop
import torch
from test_loop import CONFIG, bits, training

from bench.catalog import MARGINS, TERMS
from bench.training.checkpoint import load_optimiser, optimiser_tensors
from bench.training.environment import execution_class, make_deterministic
from bench.training.loop import StoppedError

images = test_loop.images  # the fixture
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
ADAMW = {"name": "adamw", "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.05}
EPOCHS, STEPS = 2, 4
PASSING = ("time", "seconds", "images_per_second")


def config(margin="arcface", terms=(), share=1.0, backbone=None, **recipe):
    made = copy.deepcopy(CONFIG)
    made["margin"] = {"name": margin, **MARGINS.get(margin).defaults, "s": 16.0}
    made["terms"] = [{"name": name, "weight": 0.1, **TERMS.get(name).defaults} for name in terms]
    made["classifier"]["share"] = share
    made["backbone"] = backbone or made["backbone"]
    made["recipe"] |= {"epochs": EPOCHS, "select": "validation", **recipe}
    return made


CONFIGS = {
    "sgd": config("curricularface", ["center_loss", "mhe"], micro_batch=4, ema=0.9),
    "adamw": config("adaface", ["center_loss"], share=0.5, ema=0.9, optimiser=ADAMW, clip_gradient=None),
    "learned": config("uniface", ["uniformface"], optimiser=ADAMW, micro_batch=2),
    "float16": config("curricularface", micro_batch=4, ema=0.9, precision="float16"),
    "float16 partial": config("adaface", share=0.5, precision="float16", optimiser=ADAMW),
    "transformer": config(
        backbone={"name": "timm/test_vit", "embedding": 8, "dropout": 0.2, "options": {"drop_path_rate": 0.3}},
        precision="bfloat16", micro_batch=4, ema=0.9, augmentation=[],
    ),
}  # fmt: skip
CONFIGS["learned"]["enhancement"] = None
CONFIGS["sgd"]["terms"][1]["sample"] = 2
HALF = ("float16", "float16 partial")
every_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])
every = pytest.mark.parametrize("named", CONFIGS)


def score(backbone):
    """Of the weights alone, and not rising from epoch to epoch."""
    total = sum(value.double().abs().sum().item() for value in backbone.parameters())
    return {"accuracy": (1000 * total) % 1}


def begin(images, folder, named, events, *, stop=lambda: False, device="cpu", validate=score, tell=lambda event: None):
    def told(event):
        if event["kind"] != "step":  # told once a second
            events.append({key: value for key, value in event.items() if key not in PASSING})
        tell(event)

    made = CONFIGS[named]
    return training(
        images, folder, made, tell=told, stop=stop, validate=validate, device=torch.device(device)
    )  # fmt: skip


def state_of(begun, trained):
    """All that a training has at its end: what it hands over, and what it would go on from."""
    tensors = {f"optimiser.{name}": value for name, value in optimiser_tensors(begun.optimiser).items()}
    tensors |= {f"backbone.{name}": value for name, value in begun.backbone.state_dict().items()}
    tensors |= {f"judged.{name}": value for name, value in trained.backbone.state_dict().items()}
    tensors |= {f"head.{name}": value for name, value in trained.head.state_dict().items()}
    return (
        {name: value.detach().cpu().clone() for name, value in tensors.items()},
        (trained.epochs, trained.steps, trained.selected_epoch, begun.best[:2], begun.scale.state()),
    )


def finished(images, folder, named, **more):
    """A training that nothing disturbs: its state and its events."""
    events = []
    begun = begin(images, folder, named, events, **more)
    return state_of(begun, begun.run()), events


def assert_same(found, expected):
    (tensors, rest), (expected_tensors, expected_rest) = found, expected
    assert rest == expected_rest
    assert tensors.keys() == expected_tensors.keys()
    assert [name for name, value in tensors.items() if not torch.equal(value, expected_tensors[name])] == []


@every
@every_device
def test_interrupted_after_every_step_a_training_ends_with_the_same_state_and_events(images, tmp_path, named, device):
    expected, expected_events = finished(images, tmp_path / "straight", named, device=device)
    events, starts = [], 0
    while True:
        begun = begin(images, tmp_path / "often", named, events, stop=lambda: True, device=device)
        starts += 1
        try:
            trained = begun.run()
            break
        except StoppedError:
            assert starts <= EPOCHS * begun.batches.steps_per_epoch
    assert starts == EPOCHS * begun.batches.steps_per_epoch + 1
    assert_same(state_of(begun, trained), expected)
    assert [event for event in events if event["kind"] == "epoch"] == expected_events


def test_the_trainings_above_skip_a_step_and_select_an_epoch_that_is_not_the_last(images, tmp_path):
    """Otherwise they would say nothing of it."""
    found = {
        named: finished(images, tmp_path / named, named) for named in ("float16", "float16 partial", "sgd", "adamw")
    }
    for named in HALF:
        assert sum(event["skipped_steps"] for event in found[named][1]) > 0
    assert {state[1][2] for state, _ in found.values()} == {1, 2}


@pytest.mark.parametrize("stop_after", range(1, EPOCHS * STEPS + 1))
def test_interrupted_once_at_any_step_it_ends_with_the_same_state(images, tmp_path, stop_after, straight):
    steps = iter(range(1, stop_after + 1))
    with pytest.raises(StoppedError):
        begin(images, tmp_path, "sgd", [], stop=lambda: next(steps) == stop_after).run()
    begun = begin(images, tmp_path, "sgd", [])
    assert (begun.epoch * STEPS + begun.step) == stop_after
    assert_same(state_of(begun, begun.run()), straight)


@pytest.fixture(scope="module")
def straight(images, tmp_path_factory):
    return finished(images, tmp_path_factory.mktemp("straight"), "sgd")[0]


def disturb(*_):
    """What others in the process do with its global generators."""
    torch.manual_seed(torch.seed())
    torch.rand(3)
    np.random.seed(None)  # noqa: NPY002
    np.random.rand(3)  # noqa: NPY002
    random.seed()
    random.random()
    return False


@every
def test_global_generators_change_no_bit_whoever_draws_from_them(images, tmp_path, named):
    expected, expected_events = finished(images, tmp_path / "a", named)
    disturb()
    found, events = finished(
        images, tmp_path / "b", named,
        stop=disturb, tell=disturb, validate=lambda backbone: [disturb(), score(backbone)][1],
    )  # fmt: skip
    assert_same(found, expected)
    assert events == expected_events


ALONE = """
import sys
from pathlib import Path
import numpy as np, torch
import test_exact_state, test_loop
from bench.data.packed import open_packed
images = open_packed(Path(sys.argv[1]), sys.argv[2])
print(test_loop.bits(test_exact_state.begin(images, Path(sys.argv[3]), "sgd", []).run()))
"""


def test_a_warm_process_gives_the_bits_of_a_fresh_one(tmp_path, images, packed):
    """Before this one it has trained with other threads, precisions and kernels, and somebody changed its switches."""
    root = Path(__file__).parent.parent.parent
    paths = os.pathsep.join(map(str, (root, Path(__file__).parent)))
    command = [sys.executable, "-c", ALONE, *map(str, packed), str(tmp_path / "alone")]
    alone = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True)
    for named, threads in (("adamw", 2), ("float16", 1), ("transformer", 1)):
        begun = begin(images, tmp_path / named, named, [])
        make_deterministic(threads=threads, deterministic=False)
        begun.run()
    torch.set_float32_matmul_precision("medium")
    torch.manual_seed(5)
    assert bits(begin(images, tmp_path / "warm", "sgd", []).run()) == alone.stdout.strip()


@pytest.fixture
def packed(images, tmp_path_factory):
    """The folder and digest of a copy of the images, for another process."""
    from PIL import Image

    from bench.data.packed import pack
    from bench.data.types import ImageList

    folder = tmp_path_factory.mktemp("again")
    for i, pixels in enumerate(images.gather(np.arange(len(images.labels)))):
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    listed = ImageList(folder, tuple(f"{i:02}.png" for i in range(len(images.labels))), images.labels, tuple("abcd"))
    return folder, pack(listed, pixels=32, cache=folder)


def test_every_run_sets_the_switches_that_another_may_have_changed():
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    torch.backends.cudnn.benchmark = True
    make_deterministic(threads=1, deterministic=True)
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    assert not torch.backends.cudnn.benchmark
    assert torch.are_deterministic_algorithms_enabled()


def test_the_class_of_a_cpu_names_what_it_always_did():
    """Rows of before and after stay comparable."""
    named = {"device", "torch", "blas", "cpu_capability", "fused", "world_size"}
    assert set(execution_class(torch.device("cpu"))) == named


@needs_cuda
def test_the_class_of_a_gpu_names_what_decides_its_bits():
    found = execution_class(torch.device("cuda"))
    assert found["conv_precision"] == "tf32"
    assert found["cublas_workspace_config"] == os.environ["CUBLAS_WORKSPACE_CONFIG"]
    assert {"cuda", "cudnn", "matmul_precision", "nvidia_tf32_override"} <= set(found)


@every_device
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_an_optimiser_gets_its_memory_back_in_the_layout_of_its_parameters(kind, device):
    """Kernels are chosen by it, and those of a GPU may round differently."""
    weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3).to(device, memory_format=torch.channels_last))
    scalar = torch.nn.Parameter(torch.ones((), device=device))
    more = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimiser, fresh = (kind([weight, scalar], lr=0.1, **more) for _ in range(2))
    weight.grad, scalar.grad = torch.randn_like(weight), torch.ones((), device=device)
    optimiser.step()
    saved = {name: value.cpu().contiguous() for name, value in optimiser_tensors(optimiser).items()}
    load_optimiser(fresh, saved)
    for parameter in (weight, scalar):
        assert fresh.state[parameter].keys() == optimiser.state[parameter].keys()
        for name, value in optimiser.state[parameter].items():
            assert torch.equal(fresh.state[parameter][name], value)
            assert fresh.state[parameter][name].stride() == value.stride()
            assert fresh.state[parameter][name].device == value.device
